"""metrics.csv, the history of a run, as a Lightning logger.

Lightning's own CSVLogger would delete the history of a run that is resumed.
"""

import csv
import io
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from anomaly_lab.errors import UserError
from anomaly_lab.files import READ, write_text


class History(Logger):
    """One row per logged step, one column per value; a cell is empty if the step has no such value.

    `rows`: step → name → value. `save` writes the file as a whole or not at all. UserError for a damaged file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.rows: dict[int, dict[str, Any]] = {}
        if self.path.is_file():
            try:
                with self.path.open(newline="", encoding=READ) as file:
                    self.rows = {int(row["step"]): {k: v for k, v in row.items() if v} for row in csv.DictReader(file)}
            except (ValueError, KeyError, TypeError, csv.Error) as error:
                raise UserError(f"{path} is damaged ({error}): restore it from a copy, or remove it") from error

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.setdefault(int(step or 0), {}).update({k: repr(float(v)) for k, v in metrics.items()})

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml holds the configuration."""

    def forget_after(self, step: int) -> None:
        """Delete the rows after `step`, the step of the checkpoint from which the run is resumed. It logs them again."""
        self.rows = {k: row for k, row in self.rows.items() if k <= step}

    def save(self) -> None:
        columns = list(dict.fromkeys(key for row in self.rows.values() for key in row if key != "step"))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"step": step} for step, row in sorted(self.rows.items()))
        write_text(self.path, text.getvalue())

    def finalize(self, status: str) -> None:
        self.save()
