"""Choices by name: scoring.evidence=NAME means the record in conf/scoring/evidence/NAME.yaml, or another folder of Hydra's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import ListConfig, OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.runs.command_line import CONF

OWN = "own"  # scoring.scorer of networks that make their own map


def folders() -> list[Path]:
    """The folders of configuration, with those of --config-dir and hydra.searchpath; outside a Hydra job the package's own."""
    if not HydraConfig.initialized():
        return [CONF]
    return [Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file" and source.path]


def names(key: str) -> list[str]:
    """The possible values of `key`, sorted: "scoring.evidence" → ["absolute", "mahalanobis", "signed", "squared"]."""
    return sorted({path.stem for folder in folders() for path in (folder / key.replace(".", "/")).glob("*.yaml")})


def record(key: str, value: Any) -> Any:
    """The record that the name `value` stands for, with its name. A record stays as it is. UserError for anything else."""
    if isinstance(value, Mapping) and "_target_" in value:
        return value
    for path in (folder / key.replace(".", "/") / f"{value}.yaml" for folder in folders()):
        if path.is_file():
            return {"name": value} | dict(OmegaConf.to_container(OmegaConf.load(path), resolve=True))  # type: ignore[arg-type]
    raise UserError(f"{key} is {value}: it must be one of {', '.join(names(key))}")


def by_name(scoring: Mapping[str, Any]) -> bool:
    """Whether scoring.evidence is no more than a name: of a detector's distances, or of the network's own map."""
    scorer = scoring.get("scorer")
    return bool(scoring.get("detector")) or (scorer.get("name") if isinstance(scorer, Mapping) else scorer) == OWN


def resolved(name: str, value: Any, scoring: Mapping[str, Any]) -> Any:
    """The value of scoring.NAME as a module needs it: records for names, pixels for tile=train_size.

    `scoring`: the module's other values. With them `evidence` may be no record: see `by_name`.
    """
    if name == "evidence" and not by_name(scoring):
        return [record("scoring.evidence", each) for each in (value if isinstance(value, list | ListConfig) else [value])]
    if name in ("scorer", "pooling"):
        return record(f"scoring.{name}", value)
    if value == "train_size":
        return scoring["train_size"]
    return OmegaConf.to_container(value) if isinstance(value, ListConfig) else value  # a checkpoint takes plain data only
