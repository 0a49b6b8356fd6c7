"""The table of decisions by kind of defect."""

from collections.abc import Iterator

from anomaly_lab.report.read.groups import Group
from anomaly_lab.report.read.protocol import choices
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.table import Cell, Table, measured, plain


def tables(records: Records) -> list[Table]:
    """How many images of each kind were called defective, over all seeds of a setting; no table if no run has finished."""
    if not records.groups:
        return []
    note = (
        "Images that were called defective at the calibrated threshold, over all seeds. "
        f"{choices(run for g in records.groups for run in g.runs)}"
    )
    columns = ["data", "category", "setting", "kind", "images", "share"]
    rows = [row for g in records.groups for row in _rows(g)]
    return [Table("kinds", "By kind of defect", columns, rows, [note])]


def _rows(g: Group) -> Iterator[list[Cell]]:
    scores = [row for run in g.runs for row in run.scores]
    for label, defect in sorted({(row["label"], row["defect"]) for row in scores}):
        predicted = [row["predicted"] == "1" for row in scores if row["defect"] == defect]
        what = "false alarms" if label == "0" else "found"
        count = Cell(f"{sum(predicted)} of {len(predicted)} {what}", (sum(predicted),))
        yield [*map(plain, (g.source, g["category"], g.name, defect)), count, measured(sum(predicted) / len(predicted))]
