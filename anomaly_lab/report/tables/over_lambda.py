"""What a sweep over λ shows: each metric over λ, and over λ and category."""

from collections.abc import Sequence
from typing import NamedTuple

from anomaly_lab.report.read.protocol import PROXY, SWEPT
from anomaly_lab.report.read.records import Group, Records, Statistic
from anomaly_lab.report.read.settings import across_categories, distinct, key
from anomaly_lab.report.tables.table import Table, averaged, measured, plain


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


def tables(records: Records) -> list[Table]:
    """One long table, and for each metric one of λ by category; none if λ was not varied."""
    return [*lambda_table(records.groups), *heat_tables(records.groups)]


def lambda_table(groups: Sequence[Group]) -> list[Table]:
    """One row per series and λ, one column per metric."""
    found: dict[tuple[str, str, str, float], dict[str, Statistic]] = {}
    for metric in SWEPT:
        for series, points in over_lambda(groups, metric).items():
            for point in points:
                found.setdefault((*series, point.lam), {})[metric] = point.statistic
    gap = Statistic(None, None, 0)
    rows = [
        [*map(plain, series), *(averaged(values.get(m, gap)) for m in SWEPT), plain(max(s.n for s in values.values()))]
        for series, values in sorted(found.items())
    ]
    columns = ["data", "setting", "category", "λ", *SWEPT.values(), "n"]
    choice = "λ may be chosen by it; the other metrics are measured on test images."
    note = f"Mean ± sample standard deviation over n seeds. {PROXY} {choice}"
    parts = {column: ("standard deviation",) for column in SWEPT.values()}
    return [Table("lambda", "Metric over λ", columns, rows, [note], parts)] if rows else []


def heat_tables(groups: Sequence[Group]) -> list[Table]:
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
