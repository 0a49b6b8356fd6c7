"""The tables of TPR, TNR and F1 over a_min and over the rate of false alarms α."""

from anomaly_lab.report.read.curves import Curves, Point
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.tables.table import Cell, Table, measured, plain

AREA = (
    "For each a_min the threshold is the smallest at which no held-out normal heatmap has a component of a_min pixels. "
    "Choosing the best row would be a choice by the test images."
)
ALPHA = (
    "A normal image is called defective with a probability of at most α, if it and the held-out normal images are exchangeable "
    "(split conformal prediction with the run's own a_min). The bound holds on average over draws of the held-out images, not "
    "for each draw. The smallest α that n held-out images can show is 1/(n + 1); its threshold is the highest of their levels."
)


def tables(records: Records) -> list[Table]:
    """One row per run and a_min, and one per run and α; no table without curves."""
    curves = records.curves
    area = [_row(c, p, plain(int(p.at)), p.at == c.min_area) for c in curves for p in c.over_area]
    alpha = [_row(c, p, measured(p.at), False) for c in curves for p in c.over_alpha]
    first = ("data", "category", "setting", "seed")
    last = ("threshold", "TPR", "TNR", "mean of TPR and TNR", "image F1", "note")
    found = [
        Table("min_area", "TPR, TNR and F1 over a_min", [*first, "a_min (px)", *last], area, [AREA], folded=True),
        Table("alpha", "TPR, TNR and F1 over α", [*first, "α", *last], alpha, [ALPHA], folded=True),
    ]
    return [table for table in found if table.rows]


def _row(c: Curves, p: Point, at: Cell, own: bool) -> list[Cell]:
    mean = None if p.tpr is None or p.tnr is None else (p.tpr + p.tnr) / 2
    return [
        *map(plain, (c.data, c.run.metrics["category"], c.setting, c.run.metrics["seed"])),
        at,
        plain(p.threshold),
        *map(measured, (p.tpr, p.tnr, mean, p.f1)),
        plain("the run's own" if own else ""),
    ]
