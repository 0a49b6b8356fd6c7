"""metrics.csv, the history of a run: a Lightning logger that survives being resumed.

Lightning's own CSVLogger deletes the file that it finds, so a resumed run would lose what came before.
"""

import csv
import io
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only

from anomaly_lab.files import write_text


class History(Logger):
    """One row a logged step, a column a figure, empty where a step has none. Written whole at each `save`, atomically."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.rows: dict[int, dict[str, Any]] = {}
        if self.path.is_file():
            with self.path.open(newline="") as file:
                self.rows = {int(row["step"]): {k: v for k, v in row.items() if v} for row in csv.DictReader(file)}

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> str:
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> "History":
        """Lightning's name for what a logger writes to: this object."""
        return self

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.setdefault(int(step or 0), {}).update({k: repr(float(v)) for k, v in metrics.items()})

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration is kept in config.yaml."""

    def forget_after(self, step: int) -> None:
        """Drop what a killed run logged after the checkpoint that it is resumed from; it will be logged again."""
        self.rows = {k: row for k, row in self.rows.items() if k <= step}

    @rank_zero_only
    def save(self) -> None:
        columns = list(dict.fromkeys(key for row in self.rows.values() for key in row if key != "step"))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"step": step} for step, row in sorted(self.rows.items()))
        write_text(self.path, text.getvalue())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()
