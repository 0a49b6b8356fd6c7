"""Objects from plain records: {"_target_": "anomaly_lab.objectives.restore", "lam": 0.5}, as configurations write them.

The records also lie in checkpoints. A checkpoint is data: it may name what this package defines, and nothing else.
"""

import functools
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

TARGET = "_target_"
LABELS = ("name", "target")  # what a record says about itself


def build(record: Mapping[str, Any]) -> Any:
    """A class is constructed from the record's other entries; a function gets them bound as keyword arguments.

    An entry that is a list of records, or a mapping of them, is built first. `LABELS` are passed over.
    ValueError for a target outside this package, or an argument that it does not take.
    """
    arguments = {k: _built(v) for k, v in record.items() if k not in (TARGET, *LABELS)}
    target = _find(record[TARGET])
    try:
        inspect.signature(target).bind_partial(**arguments)
    except TypeError as error:
        raise ValueError(f"{record[TARGET]}: {error}") from error
    return target(**arguments) if inspect.isclass(target) else functools.partial(target, **arguments)


def _built(value: Any) -> Any:
    if isinstance(value, Mapping) and TARGET in value:
        return build(value)
    if isinstance(value, list | tuple):
        return [_built(item) for item in value]
    return value


def _find(path: str) -> Any:
    module, _, name = path.rpartition(".")
    if not module.startswith("anomaly_lab."):
        raise ValueError(f"{path} is not part of anomaly_lab: records can only name what this package defines")
    try:
        target = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        target = None
    # a name that the module merely imported could be anything: os.system is reachable through many of them
    if target is None or getattr(target, "__module__", None) != module:
        raise ValueError(f"{path}: {module} defines no {name}")
    return target
