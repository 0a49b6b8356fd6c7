"""The checkpoint from which a training continues. The whole command: tests/test_train.py."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger

from anomaly_lab.pipeline.train import resume_point
from anomaly_lab.show.history import History


def history(folder: Path) -> list[Logger]:
    logger = History(folder / "metrics.csv")
    for step in range(4):
        logger.log_metrics({"train/loss": float(step)}, step)
    return [logger]


def rows(loggers: list[Logger]) -> dict[int, dict[str, Any]]:
    return loggers[0].rows  # type: ignore[attr-defined, no-any-return]


def test_without_a_checkpoint_a_training_starts_again_and_deletes_its_history(tmp_path: Path) -> None:
    loggers = history(tmp_path)
    assert resume_point(tmp_path / "checkpoints", loggers) is None
    assert rows(loggers) == {}


def test_a_training_continues_from_its_last_checkpoint_with_the_values_of_that_step(tmp_path: Path) -> None:
    """The values of the last step are logged from the checkpoint, because a kill may have prevented that."""
    (tmp_path / "checkpoints").mkdir()
    content = {"global_step": 3, "callbacks": {"SaveRegularly": {"values": {"train/loss": 0.25}}}}
    torch.save(content, tmp_path / "checkpoints/last.ckpt")
    loggers = history(tmp_path)
    assert resume_point(tmp_path / "checkpoints", loggers) == tmp_path / "checkpoints/last.ckpt"
    assert list(rows(loggers)) == [0, 1, 2, 3]
    assert rows(loggers)[2] == {"train/loss": "0.25"}
