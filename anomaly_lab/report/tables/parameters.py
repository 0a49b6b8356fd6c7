"""Metrics over a parameter: over λ, over λ and category, over a_min and over the rate of false alarms α."""

from collections.abc import Sequence
from typing import NamedTuple

from anomaly_lab.report.read.curves import Curves
from anomaly_lab.report.read.curves import Point as Operating
from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.protocol import PROXY, SWEPT
from anomaly_lab.report.read.records import NONE, Group, Records, Statistic
from anomaly_lab.report.read.settings import across_categories, distinct, key
from anomaly_lab.report.tables.table import Cell, Table, averaged, measured, plain

AREA = (
    "For each a_min the threshold is the smallest at which no held-out normal heatmap has a component of a_min pixels. "
    "Choosing the best row would be a choice by the test images."
)
ALPHA = (
    "A normal image is called defective with a probability of at most α, if it and the held-out normal images are exchangeable "
    "(split conformal prediction with the run's own a_min). The bound holds on average over draws of the held-out images, not "
    "for each draw. The smallest α that n held-out images can show is 1/(n + 1); its threshold is the highest of their levels."
)


class Point(NamedTuple):
    """A metric at one λ."""

    lam: float
    statistic: Statistic


Series = dict[tuple[str, str, str], list[Point]]  # (data, setting without λ, category) → points in rising order of λ


def over_lambda(groups: Sequence[Group], metric: str) -> Series:
    """The metric over λ. A setting with fewer than two values of λ has no series."""
    families: dict[tuple[str, str], list[Group]] = {}
    texts: dict[str, str] = {}
    for g in groups:
        if g["lam"] is not None:
            setting = {k: v for k, v in g.setting.items() if k not in ("objective.lam", "lam")}
            label = key(across_categories(setting))
            families.setdefault((label, key(setting)), []).append(g)
            texts.setdefault(label, g.name.replace(f" λ={g['lam']:g}", ""))
    names = distinct(texts)
    series = {}
    for (label, _), members in families.items():
        points = [Point(g["lam"], g.statistic(metric)) for g in members]
        points = sorted((p for p in points if p.statistic.mean is not None), key=lambda p: p.lam)
        if len(points) > 1:
            series[members[0].source, names[label], str(members[0]["category"])] = points
    return series


def lambda_tables(records: Records) -> list[Table]:
    """One row per series and λ, one column per metric; then one table of λ by category per metric. None if λ was not varied."""
    found: dict[tuple[str, str, str, float], dict[str, Statistic]] = {}
    for metric in SWEPT:
        for series, points in over_lambda(records.groups, metric).items():
            for point in points:
                found.setdefault((*series, point.lam), {})[metric] = point.statistic
    rows = [
        [*map(plain, series), *(averaged(values.get(m, NONE)) for m in SWEPT), plain(max(s.n for s in values.values()))]
        for series, values in sorted(found.items())
    ]
    columns = ["data", "setting", "category", "λ", *SWEPT.values(), "n"]
    choice = "λ may be chosen by it; the other metrics are measured on test images."
    note = f"Mean ± sample standard deviation over n seeds. {PROXY} {choice}"
    parts = {column: ("standard deviation",) for column in SWEPT.values()}
    return [Table("lambda", "Metric over λ", columns, rows, [note], parts), *_by_category(records.groups)] if rows else []


def _by_category(groups: Sequence[Group]) -> list[Table]:
    """One table per metric and data: one row per setting and λ, one column per category, means over the seeds."""
    found = []
    for metric, label in SWEPT.items():
        by_data: dict[str, dict[tuple[str, float], dict[str, float | None]]] = {}
        for (data, setting, category), points in over_lambda(groups, metric).items():
            for point in points:
                by_data.setdefault(data, {}).setdefault((setting, point.lam), {})[category] = point.statistic.mean
        for i, (data, values) in enumerate(by_data.items(), start=1):
            categories = sorted({category for of_row in values.values() for category in of_row})
            rows = [
                [plain(setting), plain(lam), *(measured(of_row.get(category)) for category in categories)]
                for (setting, lam), of_row in sorted(values.items())
            ]
            title = f"{label[0].upper()}{label[1:]} over λ and category"
            note = f"Data: {data}. Means over the seeds." + (f" {PROXY}" if metric == "proxy_ap" else "")
            found.append(Table(f"lambda_category_{metric}_{i}", title, ["setting", "λ", *categories], rows, [note]))
    return found


def operating_tables(records: Records) -> list[Table]:
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


def _row(c: Curves, p: Operating, at: Cell, own: bool) -> list[Cell]:
    mean = None if p.tpr is None or p.tnr is None else (p.tpr + p.tnr) / 2
    return [
        *map(plain, (source(c.run), c.run.metrics["category"], c.setting, c.run.metrics["seed"])),
        *(at, plain(p.threshold)),
        *map(measured, (p.tpr, p.tnr, mean, p.f1)),
        plain("the run's own" if own else ""),
    ]
