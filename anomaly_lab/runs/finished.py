"""The files of a run that is there already, without loading its network."""

import csv
import json
from pathlib import Path
from typing import Any

from anomaly_lab.errors import UserError


def require_run(run: str | None) -> Path:
    """The directory of a trained run. UserError where there is none, or no checkpoint in it."""
    if run is None:
        raise UserError("no run: give run=DIRECTORY, one that python -m anomaly_lab.train has made")
    path = Path(run)
    if not (path / "config.yaml").is_file():
        jobs = sorted(child.parent.name for child in path.glob("*/config.yaml"))
        remedy = f"it holds several, run={path / jobs[0]} is one" if jobs else "run= names a directory that train has made"
        raise UserError(f"{path} holds no run: {remedy}")
    if not best_checkpoint(path).is_file():
        raise UserError(
            f"{path} has no checkpoints/best.ckpt: its training has not come to its end, so continue it with "
            f"python -m anomaly_lab.train resume={path}"
        )
    return path


def best_checkpoint(run: Path) -> Path:
    """The complete checkpoint of a run: the weights of the last step, with the threshold. There once the run is calibrated."""
    return run / "checkpoints" / "best.ckpt"


def finished_metrics(run: Path) -> dict[str, Any] | None:
    """metrics.json of the run; None where it has not finished."""
    path = run / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def held_out_levels(run: Path) -> list[dict[str, Any]]:
    """The rows of levels.csv for the held-out images; none without the file. They hold for the run's own scoring only."""
    path = run / "levels.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "validation"]
