"""Choices by name: scoring.error=NAME is the record in conf/scoring/error/NAME.yaml, and likewise for other keys.

The file may also lie in a folder that --config-dir or hydra.searchpath adds. So another choice is one file of code and one
YAML, and nothing else knows of it.
"""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.runs.command_line import CONF

NAMED = ("scoring.scorer", "scoring.error", "scoring.pooling")  # keys whose values are names of records


def folders() -> list[Path]:
    """The folders of configuration in force: those that Hydra searches, else the package's own."""
    if not HydraConfig.initialized():
        return [CONF]
    return [Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file" and source.path]


def names(key: str) -> list[str]:
    """The names that `key` can be, sorted: "scoring.error" → ["absolute", "mahalanobis", "squared"]."""
    return sorted({path.stem for folder in folders() for path in (folder / key.replace(".", "/")).glob("*.yaml")})


def record(key: str, value: Any) -> Any:
    """The record that `value`, a name, stands for, with its name; a mapping is one already. UserError for an unknown name."""
    if not isinstance(value, str):
        return value
    for folder in folders():
        path = folder / key.replace(".", "/") / f"{value}.yaml"
        if path.is_file():
            return {"name": value} | dict(OmegaConf.to_container(OmegaConf.load(path), resolve=True))  # type: ignore[arg-type]
    raise UserError(f"{key} is {value}: it must be one of {', '.join(names(key))}")
