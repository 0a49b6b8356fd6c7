"""The tables of results: by setting and category, and by kind of defect."""

from collections.abc import Iterator, Sequence

from anomaly_lab.report.read.protocol import FLAT, MEASURES, METRICS, MINUTES, choices
from anomaly_lab.report.read.records import Group, Records, statistic
from anomaly_lab.report.tables.table import GAP, Cell, Table, averaged, measured, number, plain


def results(records: Records) -> list[Table]:
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


def kinds(records: Records) -> list[Table]:
    """How many images of each kind were called defective, over all seeds of a setting; no table if no run has finished."""
    if not records.groups:
        return []
    how = choices(run for g in records.groups for run in g.runs)
    note = f"Images that were called defective at the calibrated threshold, over all seeds. {how}"
    columns = ["data", "category", "setting", "kind", "images", "share"]
    rows = [row for g in records.groups for row in _by_kind(g)]
    return [Table("kinds", "By kind of defect", columns, rows, [note])]


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


def _by_kind(g: Group) -> Iterator[list[Cell]]:
    scores = [row for run in g.runs for row in run.scores]
    for label, defect in sorted({(row["label"], row["defect"]) for row in scores}):
        predicted = [row["predicted"] == "1" for row in scores if row["defect"] == defect]
        what = "false alarms" if label == "0" else "found"
        count = Cell(f"{sum(predicted)} of {len(predicted)} {what}", (sum(predicted),))
        yield [*map(plain, (g.source, g["category"], g.name, defect)), count, measured(sum(predicted) / len(predicted))]
