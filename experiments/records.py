"""What the studies on real photographs share: a finished run's record with its protocol, and figures over seeds."""

import csv
import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PROTOCOL = ("date", "git", "processor", "cores", "threads", "packages")


def keep(run: Path, target: Path, setting: dict[str, Any]) -> bool:
    """Write to `target`: `setting`, what `run` measured and where. Whether the run has finished."""
    if not (run / "metrics.json").is_file():
        return False
    environment = json.loads((run / "environment.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    where = {name: environment[name] for name in PROTOCOL}
    record = {**setting, "relative_error": relative_error(run), **metrics, "environment": where}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=1) + "\n")
    return True


def relative_error(run: Path) -> float | None:
    """Of the reconstruction, at the last validation: 1 where nothing but the mean colour is given back; None without one."""
    if not (run / "metrics.csv").is_file():
        return None
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        found = [value for row in csv.DictReader(file) if (value := row.get("val/relative_error"))]
    return float(found[-1]) if found else None


def grouped(out: Path, *names: str) -> list[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """The records in `out`/results that agree in `names`, in their order: ((values), records)."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for path in sorted((out / "results").glob("*.json")):
        record = json.loads(path.read_text())
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return sorted(groups.items())


def measured(records: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    """Cells of a table: each metric over the seeds, and the flat grey's image and pixel AUROC."""
    cells = [spread([r[name] for r in records]) for name in names]
    return [*cells, " / ".join(spread([r[f"flat_{name}"] for r in records]) for name in ("image_auroc", "pixel_auroc"))]


def write_table(out: Path, titles: list[str], rows: list[list[Any]]) -> None:
    """table.md, its last column that of the flat grey."""
    titles = [*titles, "flat grey: image / pixel AUROC"]
    lines = [titles, ["---"] * len(titles), *rows]
    bars = ["|" + "---|" * len(titles) if line[0] == "---" else "| " + " | ".join(map(str, line)) + " |" for line in lines]
    out.mkdir(parents=True, exist_ok=True)  # a first run that fails has left nothing there
    (out / "table.md").write_text("\n".join(bars) + "\n")


def spread(values: list[float | None]) -> str:
    """Mean ± standard deviation, – where none is known."""
    known = [v for v in values if v is not None]
    if not known:
        return "–"
    return f"{mean(known):.3f}" + (f" ± {stdev(known):.3f}" if len(known) > 1 else "")
