"""Callbacks and loggers from records of the configuration, which Hydra makes.

A run's stored configuration, possibly a stranger's, holds such records too. So a record, and each one in it, can only name a
class of this package, of the user's extensions, or of Lightning's callbacks and loggers.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.build import TARGET, at, extensions, find
from anomaly_lab.errors import UserError

GROUPS = {"callbacks": Callback, "logger": Logger}  # group of the configuration → what its records make
LIGHTNING = ("lightning.pytorch.callbacks.", "lightning.pytorch.loggers.")


def require_known(config: DictConfig) -> None:
    """UserError for a callback or a logger of the configuration that may not be made; nothing is made."""
    for group in GROUPS:
        for name, record in (config.get(group) or {}).items():
            if record is not None:
                _require(group, name, record)


def made(group: str, name: str, record: Any, **more: Any) -> Any:
    """The object that `record`, the part `name` of a group, describes, with the arguments `more`. UserError as above."""
    _require(group, name, record)
    return instantiate(record, **more)


def _require(group: str, name: str, record: Any) -> None:
    plain: Any = OmegaConf.to_container(record, resolve=True) if OmegaConf.is_config(record) else record
    if not isinstance(plain, Mapping) or TARGET not in plain:
        raise UserError(f"{group}.{name} is {plain}: it must have a {TARGET}, the class to be made")
    for i, path in enumerate(_targets(plain)):
        kind = GROUPS[group] if i == 0 else object
        try:
            found = _found(str(path))
        except ValueError as error:
            raise UserError(f"{group}.{name}: {error}") from error
        own = str(path).partition(".")[0] in extensions()  # there, a function may make one
        if not own and not (inspect.isclass(found) and issubclass(found, kind)):
            raise UserError(
                f"{group}.{name}: {path} is no {'class' if i else kind.__name__}: name another one, or leave it out"
            )


def _targets(part: Any) -> list[Any]:
    """What a record and all records in it name, its own name first."""
    if isinstance(part, Mapping):
        own = [part[TARGET]] if TARGET in part else []
        return own + [path for key, value in part.items() if key != TARGET for path in _targets(value)]
    return [path for item in part for path in _targets(item)] if isinstance(part, list | tuple) else []


def _found(path: str) -> Any:
    """What lies at a dotted path. ValueError if a record may not name it."""
    if not path.startswith(LIGHTNING):
        return find(path)
    found = at(path)
    return found if f"{getattr(found, '__module__', '')}.".startswith(LIGHTNING) else None
