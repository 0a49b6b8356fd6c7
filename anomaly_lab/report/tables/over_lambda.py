"""What a sweep over λ shows: each metric over λ, and over λ and category."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from anomaly_lab.report.read.groups import Group, Statistic, across_categories, key, names
from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.protocol import PROXY
from anomaly_lab.report.tables.table import Table, averaged, measured, plain

SWEPT = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "tpr_tnr_mean": "mean of TPR and TNR",
    "proxy_ap": "proxy AP (validation)",
}


class Point(NamedTuple):
    """A metric at one λ."""

    lam: float
    statistic: Statistic


def over_lambda(groups: Sequence[Group], metric: str) -> dict[tuple[str, str, str], list[Point]]:
    """(data, what the settings share but for λ, category) → points in the order of λ; series of one point are left out."""
    families: dict[str, list[Group]] = {}
    for g in groups:
        if g["lam"] is not None:
            families.setdefault(key(_without_lambda(g)), []).append(g)
    named = _family_names(list(families.values()))
    series = {}
    for label, members in families.items():
        points = [Point(g["lam"], g.statistic(metric)) for g in members]
        points = sorted((p for p in points if p.statistic.mean is not None), key=lambda p: p.lam)
        if len(points) > 1:
            series[source(members[0].runs[0]), named[label], str(members[0]["category"])] = points
    return series


def lambda_table(groups: Sequence[Group]) -> Table | None:
    """A row a series and λ, a column a metric; None where λ was not varied."""
    found: dict[tuple[str, str, str, float], dict[str, Statistic]] = {}
    for metric in SWEPT:
        for series, points in over_lambda(groups, metric).items():
            for point in points:
                found.setdefault((*series, point.lam), {})[metric] = point.statistic
    if not found:
        return None
    rows = [
        [*map(plain, series), *(averaged(values.get(m, Statistic(None, None, 0))) for m in SWEPT), plain(_count(values))]
        for series, values in sorted(found.items())
    ]
    columns = ["data", "setting", "category", "λ", *SWEPT.values(), "n"]
    notes = [f"Mean ± sample standard deviation over n seeds. {PROXY} It may choose λ; the others are of test images."]
    return Table("lambda", "Metric over λ", columns, rows, notes, {c: ("standard deviation",) for c in SWEPT.values()})


def heat_tables(groups: Sequence[Group]) -> list[Table]:
    """For each metric and data: settings and λ down, categories across, means over the seeds."""
    tables = []
    for metric, label in SWEPT.items():
        by_data: dict[str, dict[tuple[str, float], dict[str, float | None]]] = {}
        for (data, setting, category), points in over_lambda(groups, metric).items():
            for point in points:
                by_data.setdefault(data, {}).setdefault((setting, point.lam), {})[category] = point.statistic.mean
        for number, (data, found) in enumerate(by_data.items(), start=1):
            categories = sorted({category for values in found.values() for category in values})
            rows = [
                [plain(setting), plain(lam), *(measured(values.get(category)) for category in categories)]
                for (setting, lam), values in sorted(found.items())
            ]
            title = f"{label[0].upper()}{label[1:]} over λ and category"
            name = f"lambda_category_{metric}_{number}"
            note = f"Data: {data}. Means over the seeds." + (f" {PROXY}" if metric == "proxy_ap" else "")
            tables.append(Table(name, title, ["setting", "λ", *categories], rows, [note]))
    return tables


def _count(values: Mapping[str, Statistic]) -> int:
    return max(s.n for s in values.values())


def _without_lambda(g: Group) -> dict[str, object]:
    return {k: v for k, v in g.setting.items() if k not in ("objective.lam", "lam")}


def _family_names(families: Sequence[Sequence[Group]]) -> dict[str, str]:
    """The settings' names without their λ, by the key of what the members share."""
    named = names([g for members in families for g in members])
    found = {}
    for members in families:
        g = members[0]
        name = named[key(across_categories(g.setting))]
        found[key(_without_lambda(g))] = name.replace(f" λ={g['lam']:g}", "")
    return found
