"""What the studies on real photographs share: a finished run's record with its protocol, and metrics over seeds."""

import csv
import json
from pathlib import Path
from typing import Any

from anomaly_lab.report.read.records import statistic
from anomaly_lab.report.tables.table import averaged
from anomaly_lab.show.markdown import pipe_table

PROTOCOL = ("date", "git", "processor", "cores", "threads", "packages")


def keep(run: Path, target: Path, setting: dict[str, Any]) -> bool:
    """Write `setting`, the run's metrics and its environment to `target`. Returns whether the run has finished.

    Of an absolute path only the name is kept: the folders of a machine say nothing to others.
    """
    if not (run / "metrics.json").is_file():
        return False
    environment = json.loads((run / "environment.json").read_text())
    metrics = {k: Path(v).name if _is_place(v) else v for k, v in json.loads((run / "metrics.json").read_text()).items()}
    where = {name: environment[name] for name in PROTOCOL}
    record = {**setting, "relative_error": relative_error(run), **metrics, "environment": where}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=1) + "\n")
    return True


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def relative_error(run: Path) -> float | None:
    """The relative reconstruction error at the last validation; 1 is that of the mean colour. None if none was recorded."""
    if not (run / "metrics.csv").is_file():
        return None
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        found = [value for row in csv.DictReader(file) if (value := row.get("val/relative_error"))]
    return float(found[-1]) if found else None


def grouped(out: Path, *names: str) -> list[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """The records in `out`/results, grouped by the values of `names` and in their order: ((values), records)."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for path in sorted((out / "results").glob("*.json")):
        record = json.loads(path.read_text())
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return sorted(groups.items())


def measured(records: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    """Cells of a table: each metric over the seeds, then image and pixel AUROC of flat grey."""
    cells = [spread([r[name] for r in records]) for name in names]
    return [*cells, " / ".join(spread([r[f"flat_{name}"] for r in records]) for name in ("image_auroc", "pixel_auroc"))]


def write_table(out: Path, titles: list[str], rows: list[list[Any]]) -> None:
    """Write table.md; its last column is that of flat grey."""
    out.mkdir(parents=True, exist_ok=True)  # it is not there yet if the first run failed
    (out / "table.md").write_text(pipe_table([*titles, "flat grey: image / pixel AUROC"], rows) + "\n")


def spread(values: list[float | None]) -> str:
    """Mean ± sample standard deviation; the mean alone if one value is known, – if none is."""
    return averaged(statistic(values)).text
