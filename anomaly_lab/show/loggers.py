"""The loggers of a run: metrics.csv, and W&B or TensorBoard, which get what distinguishes the runs of a study."""

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
from hydra.errors import InstantiationException
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.files import write_text
from anomaly_lab.show.history import History
from anomaly_lab.show.markdown import pipe_table
from anomaly_lab.training.made import made

WANDB_ID = "wandb_id"  # file in the run's directory with the id of its W&B run, which a resumed run continues


def make_loggers(config: DictConfig, directory: Path) -> list[Logger]:
    """metrics.csv, and the loggers of the group `logger`. UserError if one is not installed."""
    added = config.get("logger") or {}
    try:
        others = (made("logger", name, options, **identity(config, name, directory)) for name, options in added.items())
        return [History(directory / "metrics.csv"), *others]
    except InstantiationException as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        raise UserError(f"the logger {', '.join(added)} is not installed: pip install {' '.join(added)}") from error


def identity(config: DictConfig, name: str, directory: Path) -> dict[str, Any]:
    """Arguments of the logger `name` that no configuration holds. For W&B: the run's id, its tags, and whether it is offline.

    With offline=auto, WANDB_MODE decides if the user has set it. UserError if W&B has no home directory for its settings.
    """
    if name != "wandb":
        return {}
    if os.path.expanduser("~") == "~":
        raise UserError("logger=wandb needs a home directory, and there is none: set HOME to a folder that can be written to")
    path = directory / WANDB_ID
    if not path.is_file():
        write_text(path, secrets.token_hex(4))
    options = config.logger.wandb
    tags = [config.data.name, config.category.name, config.objective.name, options.get("group"), *options.get("tags", [])]
    short = [tag[:64] for tag in dict.fromkeys(tags) if tag]  # W&B refuses longer ones
    offline = options.offline
    if offline == "auto":
        offline = "WANDB_MODE" not in os.environ and wandb_offline()
    return {"id": path.read_text(encoding="utf-8"), "tags": short, "offline": offline}


def columns(config: DictConfig) -> dict[str, Any]:
    """What distinguishes the runs of a study, as one flat record."""
    found = {f"{part}_name": config[part].name for part in ("data", "category", "objective", "corruption", "model")}
    return found | {
        "lam": config.objective.get("lam"),
        "seed": config.seed,
        "calibration_name": config.calibration.name,
        "study": OmegaConf.select(config, "logger.wandb.group"),
    }


def begin(loggers: Sequence[Logger], config: DictConfig) -> None:
    """Log the whole configuration and `columns`."""
    for logger in loggers:
        logger.log_hyperparams({**OmegaConf.to_container(config), **columns(config)})  # type: ignore[dict-item, arg-type]


def conclude(
    loggers: Sequence[Logger],
    config: DictConfig,
    record: Mapping[str, Any],
    metrics: Mapping[str, float | None],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Log the test's metrics and a table with one row per test image. `record`: the content of metrics.json."""
    step, names = record["steps"], list(rows[0]) if rows else []
    cells = [list(row.values()) for row in rows]
    tested = {f"test/{name}": value for name, value in metrics.items() if value is not None}
    for logger in loggers:
        logger.log_metrics(tested, step)
        if hasattr(logger, "log_table"):  # W&B
            logger.experiment.summary.update({k: v for k, v in record.items() if v is not None})  # type: ignore[attr-defined]
            if rows:
                logger.log_table("test/images", columns=names, data=cells, step=step)
        elif isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams({k: "none" if v is None else v for k, v in columns(config).items()}, tested, step)
            if rows:
                logger.experiment.add_text("test/images", pipe_table(names, cells), step)


def takes_pictures(logger: Logger) -> bool:
    """Whether `log_figure` can show a figure in the logger."""
    return hasattr(logger, "log_image") or isinstance(logger, TensorBoardLogger)


def log_figure(loggers: Sequence[Logger], name: str, figure: Figure, step: int) -> None:
    """Show a figure in each logger that takes figures. It stays open."""
    for logger in loggers:
        if hasattr(logger, "log_image"):  # W&B
            figure.canvas.draw()
            picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]
            logger.log_image(name, [picture], step=step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, step, close=False)


def close(loggers: list[Logger]) -> None:
    """End each logger. Without this, the next job of a multirun would log into the same W&B run."""
    for logger in loggers:
        logger.finalize("finished")
        if type(logger).__name__ == "WandbLogger":
            import wandb

            wandb.finish()


def wandb_offline() -> bool:
    """Whether W&B has no key, neither in WANDB_API_KEY nor in ~/.netrc, or no network."""
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    netrc = Path(os.path.expanduser("~/.netrc"))
    if not (os.environ.get("WANDB_API_KEY") or (netrc.is_file() and host in netrc.read_text())):
        return True
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return True
    return False
