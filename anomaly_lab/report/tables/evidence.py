"""What each map of a heatmap is worth, and what the thresholds promise and keep."""

from anomaly_lab.report.read.protocol import METRICS
from anomaly_lab.report.read.records import Group, Records, Statistic, statistic
from anomaly_lab.report.tables.comparison import signed
from anomaly_lab.report.tables.table import Cell, Table, averaged, plain

WORTH = ("image_auroc", "pixel_ap", "aupro")  # those that metrics.json has of each map
RULED = ("tpr", "image_f1", "image_f1_max", "pixel_f1", "pixel_f1_max")


def worth(records: Records) -> list[Table]:
    """A row for each map of the settings whose heatmap is made of several; no table if there are none."""
    rows = [_of_map(g, name) for g in records.groups for name in _maps(g)]
    if not rows:
        return []
    note = (
        "Alone: the metric of the map alone. Without: that of the other maps together minus that of all of them, so that a "
        "negative value says what the map is worth; a heatmap of two maps has none. Means over the seeds, on the test images."
    )
    columns = ["data", "category", "setting", "map", *(f"{METRICS[m]}, {how}" for m in WORTH for how in ("alone", "without"))]
    return [Table("evidence", "What each map is worth", columns, rows, [note])]


def decisions(records: Records) -> list[Table]:
    """The rate of false alarms that each setting promises and keeps, and what it finds; no table if none promises one."""
    groups = [g for g in records.groups if g.statistic("false_alarm_rate").mean is not None]
    if not groups:
        return []
    note = (
        "Promised: the share of new normal images that are called defective at most, if they are like the held-out ones. Kept: "
        "the share of the normal test images that were. A kept rate far above the promised one says that the test images are "
        "not like the held-out ones. F1 at the best threshold is chosen by the test images: no detector reaches it."
    )
    columns = ["data", "category", "setting", "held-out images", "promised", "kept", *(METRICS[name] for name in RULED)]
    parts = {c: ("standard deviation",) for c in columns[4:]}
    return [Table("decisions", "What the thresholds promise and keep", columns, [_decided(g) for g in groups], [note], parts)]


def _maps(g: Group) -> list[str]:
    names = str(g["evidence"] or "").split("+")
    return [name for name in names if g.statistic(f"only_{name}_{WORTH[0]}").n]


def _of_map(g: Group, name: str) -> list[Cell]:
    cells = [*map(plain, (g.source, g["category"], g.name, name))]
    for metric in WORTH:
        without = [_minus(r.metrics.get(f"without_{name}_{metric}"), r.metrics.get(metric)) for r in g.runs]
        mean = statistic(without).mean
        cells += [averaged(g.statistic(f"only_{name}_{metric}")), Cell(signed(mean), (mean,))]
    return cells


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _decided(g: Group) -> list[Cell]:
    kept = statistic(None if (tnr := run.metrics.get("tnr")) is None else 1 - tnr for run in g.runs)
    held_out = "/".join(sorted({str(run.metrics.get("n_validation")) for run in g.runs}))
    measures: list[Statistic] = [g.statistic("false_alarm_rate"), kept, *(g.statistic(name) for name in RULED)]
    return [*map(plain, (g.source, g["category"], g.name, held_out)), *map(averaged, measures)]
