"""Objects from records, as configurations write them: {"_target_": "anomaly_lab.objectives.restore", "lam": 0.5}.

A checkpoint, possibly a stranger's, holds such records too. So a record can only name what this package defines.
"""

import functools
import importlib
import inspect
import os
from collections.abc import Mapping
from typing import Any

TARGET = "_target_"


def build(record: Mapping[str, Any]) -> Any:
    """Construct a class from the record's other entries, or bind them to a function as keyword arguments.

    An entry that is a record, or a list of records, is built first. ValueError for what is no record, a target outside this
    package and its extensions, or an argument that the target does not take.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get(TARGET), str):
        raise ValueError(f"{record} is no record with {TARGET}")
    arguments = {k: _built(v) for k, v in record.items() if k not in (TARGET, "name", "target")}  # the two describe the record
    target = find(record[TARGET])
    try:
        inspect.signature(target).bind_partial(**arguments)
    except TypeError as error:
        raise ValueError(f"{record[TARGET]}: {error}") from error
    if not inspect.isclass(target):
        return functools.partial(target, **arguments)
    try:
        return target(**arguments)
    except (TypeError, OverflowError) as error:  # a value of another kind than the class expects, such as a number for a list
        raise ValueError(f"{record[TARGET]}: {error}") from error


def extensions() -> list[str]:
    """The user's own modules and packages that records may name."""
    return [name.strip() for name in os.environ.get("ANOMALY_LAB_EXTENSIONS", "").split(",") if name.strip()]


def _built(value: Any) -> Any:
    if isinstance(value, Mapping) and TARGET in value:
        return build(value)
    if isinstance(value, list | tuple):
        return [_built(item) for item in value]
    return value


def at(path: str) -> Any:
    """What lies at a dotted path; None if nothing does. It imports the module, so the path must be a trusted one."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def find(path: str) -> Any:
    """What a record may name by a dotted path. ValueError for anything outside this package and its extensions."""
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] not in ("anomaly_lab", *extensions()):
        own = module.partition(".")[0] or path
        raise ValueError(f"{path} is not part of anomaly_lab: if the code is yours, set ANOMALY_LAB_EXTENSIONS={own}")
    target = at(path)
    # names that the module has imported don't count: through many modules os.system can be reached
    if target is None or getattr(target, "__module__", None) != module:
        raise ValueError(f"{path}: {module} defines no {name}")
    return target
