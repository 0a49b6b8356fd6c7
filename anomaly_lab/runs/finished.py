"""The files of a run on disk. Its network is not loaded."""

import csv
import json
from pathlib import Path
from typing import Any

from anomaly_lab.errors import UserError


def require_run(run: str | None) -> Path:
    """The directory of a trained run. UserError if it holds no run or no best.ckpt."""
    if run is None:
        raise UserError("no run: give run=DIRECTORY, a directory that anomaly_lab.train has made")
    path = Path(run)
    if not (path / "config.yaml").is_file():
        jobs = sorted(child.parent.name for child in path.glob("*/config.yaml"))
        remedy = (
            f"it holds several, run={path / jobs[0]} is one" if jobs else "give a directory that anomaly_lab.train has made"
        )
        raise UserError(f"{path} holds no run: {remedy}")
    if not best_checkpoint(path).is_file():
        raise UserError(
            f"{path} has no checkpoints/best.ckpt: its training has not ended, so continue it with "
            f"python -m anomaly_lab.train resume={path}"
        )
    return path


def best_checkpoint(run: Path) -> Path:
    """The complete checkpoint of a run, which exists once it is calibrated: the weights of the last step and the threshold."""
    return run / "checkpoints" / "best.ckpt"


def finished_metrics(run: Path) -> dict[str, Any] | None:
    """metrics.json of the run; None if the run has not finished."""
    path = run / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def held_out_levels(run: Path) -> list[dict[str, Any]]:
    """The rows of levels.csv for the held-out images, valid for the run's own scoring. Without the file there are none."""
    path = run / "levels.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "validation"]
