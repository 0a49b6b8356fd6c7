"""The table of results: one row per setting and category."""

from collections.abc import Sequence

from anomaly_lab.report.read.groups import Group, statistic
from anomaly_lab.report.read.protocol import MEASURES, choices
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.labels import FLAT, METRICS, MINUTES
from anomaly_lab.report.tables.table import GAP, Cell, Table, averaged, number, plain


def tables(records: Records) -> list[Table]:
    """Mean ± sample standard deviation over the seeds; no table if no run has finished."""
    groups = records.groups
    if not groups:
        return []
    measures = (*METRICS.values(), *FLAT.values(), MINUTES)
    columns = ["data", "category", "setting", "n", "seeds", *measures, "steps", "px"]
    parts = {c: ("standard deviation",) for c in measures}
    protocol = f"{choices(run for g in groups for run in g.runs)} {MEASURES}"
    notes = [f"Mean ± sample standard deviation over n seeds; n = 1 has none. {protocol}", *_cautions(groups)]
    return [Table("results", "Results by setting", columns, [_row(g) for g in groups], notes, parts)]


def _row(g: Group) -> list[Cell]:
    steps = statistic(run.metrics.get("steps") for run in g.runs).mean
    sizes = sorted({str(size) for run in g.runs if (size := run.metrics.get("image_size")) is not None})
    return [
        *map(plain, (g.source, g["category"], g.name, len(g.runs))),
        Cell(", ".join(map(str, g.seeds))),
        *(averaged(g.statistic(m)) for m in (*METRICS, *FLAT)),
        averaged(statistic(run.minutes for run in g.runs), 1),
        Cell(number(steps, 0), (steps,)),
        Cell(", ".join(sizes) or GAP),
    ]


def _cautions(groups: Sequence[Group]) -> list[str]:
    """Why the seeds of a row may not be comparable."""
    notes = []
    if mixed := sum(len({run.commit for run in g.runs}) > 1 for g in groups):
        notes.append(f"Rows with seeds from different states of the code: {mixed}. See the column “code” of the single runs.")
    if repeated := sum(len(g.earlier) for g in groups):
        notes.append(f"Runs that were repeated later with the same setting and seed: {repeated}. Only the newest counts.")
    if unknown := sum(not run.config for g in groups for run in g.runs):
        notes.append(f"Runs without config.yaml: {unknown}. They are grouped by their metrics.json.")
    return notes
