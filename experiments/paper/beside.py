"""Our column beside the published ones, cell by cell: further tables of the report (its option tables=).

Of each category, the objective and λ with the highest validation proxy are taken: no test image chooses. Only runs on the
complete MVTec AD stand beside published values.
"""

from collections.abc import Mapping, Sequence

from anomaly_lab.report.read.official import OFFICIAL
from anomaly_lab.report.read.records import Group, Records, Statistic, rank, statistic
from anomaly_lab.report.tables.paper import AVERAGES, DIGITS, TABLES, Value, averages, columns, published
from anomaly_lab.report.tables.table import GAP, Cell, Table, number

SETTINGS = ("restore", "amplify")  # the paper: "either for objective (1) or (3)"
ROUNDING = 0.5 * 10**-DIGITS  # of a printed value
NOTES = (
    "Ours: mean ± sample standard deviation over seeds (their number). Of each category, the objective and λ with the highest "
    "mean validation proxy, which is made of held-out normal images. The proxy does not rank runs as real defects do "
    "(experiments/detection/proxies.md), so another setting in the tables of all settings may be better.",
    "Beside it each published value, with the difference ours − published. ≈: the difference lies within our spread over "
    "seeds, |ours − published| ≤ one standard deviation + .005 for the rounding of print. Without ≈ it lies outside. ?: with "
    "a single seed there is no spread.",
)


def tables(records: Records) -> list[Table]:
    """One table for each of the paper's; none without a run on the complete MVTec AD."""
    groups = [g for g in records.groups if g.source == OFFICIAL]
    best = chosen([g for g in groups if g["objective"] in SETTINGS and g["corruption"] == "elastic"])
    return [_table(name, best) for name in TABLES if best]


def chosen(groups: Sequence[Group]) -> dict[str, Group]:
    """category → the setting of the highest mean validation proxy over its seeds."""
    found: dict[str, Group] = {}
    for g in sorted(groups, key=lambda g: rank(run.metrics.get("proxy_ap") for run in g.runs)):
        found[str(g["category"])] = g
    return found


def ours(best: Mapping[str, Group], metrics: Sequence[str]) -> dict[str, Value]:
    """Category, or one of AVERAGES → a value for each metric. An average is made seed by seed, so it has a spread too."""
    column = {category: tuple(g.statistic(metric) for metric in metrics) for category, g in best.items()}
    seeds = set.intersection(*({run.metrics["seed"] for run in g.runs} for g in best.values()))
    by_seed = []
    for seed in sorted(seeds):
        one = {c: tuple(_single(g, metric, seed) for metric in metrics) for c, g in best.items()}
        by_seed.append(averages(one, len(metrics)))
    means = {name: tuple(statistic(found[name][i].mean for found in by_seed) for i in range(len(metrics))) for name in AVERAGES}
    return column | means


def _single(group: Group, metric: str, seed: int) -> Statistic:
    return statistic(run.metrics.get(metric) for run in group.runs if run.metrics["seed"] == seed)


def _table(name: str, best: Mapping[str, Group]) -> Table:
    record = published()[name]
    width = len(record["metrics"])
    own = ours(best, record["metrics"])
    others = {method: {**column, **averages(column, width)} for method, column in columns(record).items()}
    order = [*published()["textures"], "textures", *published()["objects"], "objects", "all"]
    rows = []
    for row in order:
        label = f"average of {row}" if row in AVERAGES else row.replace("_", " ")
        setting = best[row].name if row in best else GAP
        mine = own.get(row)
        rows.append([Cell(label), Cell(setting), _mine(mine), *(compared(mine, column.get(row)) for column in others.values())])
    title = f"Ours beside the paper's table {name[-1]}: {record['title']}"
    parts = {method: [f"{word} {m}" for m in record["metrics"] for word in ("difference", "within")] for method in others}
    return Table(f"beside_{name}", title, ["category", "setting", "ours", *others], rows, NOTES, parts)


def _mine(value: Value | None) -> Cell:
    if value is None or all(s.mean is None for s in value):
        return Cell(GAP, (None,))
    texts = [number(s.mean, DIGITS) + ("" if s.spread is None else f" ± {number(s.spread, DIGITS)}") for s in value]
    return Cell(f"{' / '.join(texts)} ({max(s.n for s in value)})", tuple(s.mean for s in value))


def compared(mine: Value | None, printed: Value | None) -> Cell:
    """ "0.99 (−0.02 ≈)": the published value, ours minus it, and whether that lies within the spread over seeds."""
    if printed is None or all(s.mean is None for s in printed):
        return Cell(GAP, (None,))
    shown = " / ".join(number(p.mean, DIGITS) for p in printed)
    if mine is None:
        return Cell(shown, (printed[0].mean,))
    texts, values = [], []
    for own, p in zip(mine, printed, strict=True):
        difference = None if own.mean is None or p.mean is None else own.mean - p.mean
        inside = within(difference, own.spread)
        sign = {None: " ?", True: " ≈", False: ""}[inside]
        texts.append(GAP if difference is None else f"{difference:+.{DIGITS}f}".replace("-", "−") + sign)
        values += [difference, None if inside is None else str(inside)]
    return Cell(f"{shown} ({' / '.join(texts)})", (printed[0].mean, *values))


def within(difference: float | None, spread: float | None) -> bool | None:
    """Whether a difference from a printed value lies within the spread over seeds; None if either is unknown."""
    if difference is None or spread is None:
        return None
    return abs(difference) <= spread + ROUNDING + 1e-9
