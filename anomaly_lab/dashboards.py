"""What W&B and TensorBoard need to compare the runs of a study: whose run it is, columns, final figures, a table of images."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import Logger
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.evaluation import TestResults
from anomaly_lab.files import write_text

WANDB_ID = "wandb_id"  # in the run directory: a resumed run goes on in the W&B run that it began


def identity(config: DictConfig, name: str, directory: Path) -> dict[str, Any]:
    """What the logger called `name` is made with beside its options: for W&B the run's id and its tags."""
    if name != "wandb":
        return {}
    path = directory / WANDB_ID
    if not path.is_file():
        write_text(path, secrets.token_hex(4))
    options = config.logger.wandb
    tags = [config.data.name, config.category.name, config.objective.name, options.get("group"), *options.get("tags", [])]
    return {"id": path.read_text(encoding="utf-8"), "tags": [tag[:64] for tag in dict.fromkeys(tags) if tag]}  # W&B's limit


def columns(config: DictConfig) -> dict[str, Any]:
    """What runs are told apart by, as flat columns beside the nested configuration."""
    found = {f"{part}_name": config[part].name for part in ("data", "category", "objective", "corruption", "model")}
    study = OmegaConf.select(config, "logger.wandb.group")
    return found | {
        "lam": config.objective.get("lam"),
        "seed": config.seed,
        "calibration_name": config.calibration.name,
        "study": study,
    }


def begin(loggers: Sequence[Logger], config: DictConfig) -> None:
    """The whole configuration, and the columns, to every logger that takes them."""
    for logger in loggers:
        logger.log_hyperparams({**OmegaConf.to_container(config), **columns(config)})  # type: ignore[dict-item, arg-type]


def conclude(loggers: Sequence[Logger], config: DictConfig, metrics: Mapping[str, Any], results: TestResults) -> None:
    """The test's figures, and a table with a row a test image. `metrics`: what metrics.json holds."""
    step, rows = metrics["steps"], results.rows
    figures = {f"test/{name}": value for name, value in results.metrics.items() if value is not None}
    for logger in loggers:
        logger.log_metrics(figures, step)
        if hasattr(logger, "log_table"):  # W&B
            logger.experiment.summary.update({k: v for k, v in metrics.items() if v is not None})  # type: ignore[attr-defined]
            if rows:
                logger.log_table("test/images", columns=list(rows[0]), data=[list(row.values()) for row in rows], step=step)
        elif isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams({k: "none" if v is None else v for k, v in columns(config).items()}, figures, step)
            if rows:
                logger.experiment.add_text("test/images", markdown(list(rows[0]), rows), step)


def markdown(names: Sequence[str], rows: Sequence[Mapping]) -> str:
    """A table as Markdown."""
    lines = [names, ["---"] * len(names), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
