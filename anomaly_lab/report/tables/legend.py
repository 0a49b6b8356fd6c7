"""The table of what differs between the settings."""

from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.table import Cell, Table, plain


def tables(records: Records) -> list[Table]:
    """Each setting's keys of the configuration that another setting has with another value; no table if nothing differs."""
    differing = {g.name: g.differing for g in records.groups}
    rows = [[Cell(name), Cell(k), plain(str(v))] for name, others in differing.items() for k, v in others.items()]
    return [Table("settings", "What tells the settings apart", ["setting", "key", "value"], rows)] if rows else []
