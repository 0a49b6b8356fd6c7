"""The table of runs without a result."""

from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import FINISHED
from anomaly_lab.report.tables.table import Cell, Table, plain


def tables(records: Records) -> list[Table]:
    """Each run that is in no other table, with its state and what is known about it. The table may be empty."""
    rows = [
        [plain(run.place), Cell(run.state), Cell(" ".join(run.overrides)), Cell(run.note)]
        for run in records.runs
        if run.state != FINISHED
    ]
    return [Table("left_out", "Runs without a result", ["run", "state", "overrides", "what is known"], rows)]
