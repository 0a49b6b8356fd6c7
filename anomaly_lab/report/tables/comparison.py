"""Paired comparison of two settings over categories and seeds, with a confidence interval, so that "better" means something."""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anomaly_lab.report.read.collect import Run
from anomaly_lab.report.read.groups import Group, across_categories, key, names
from anomaly_lab.report.read.official import source
from anomaly_lab.report.tables.over_lambda import SWEPT
from anomaly_lab.report.tables.table import Cell, Table, number, plain

COMPARED = ("image_auroc", "pixel_auroc", "aupro", "tpr_tnr_mean")
LEVEL = 0.95
PAIRWISE = 4  # up to so many settings are compared each with each; more, each with one of them


@dataclass(frozen=True)
class Comparison:
    """`b` − `a` of a metric, over what both have in common. `differences`: each category's mean over its shared seeds,
    or those of the seeds where there is one category; `units` says which; `interval` is their paired t interval, None for fewer
    than two. `one_code`: whether the two runs of each pair come from the same state of the code."""

    a: str
    b: str
    data: str
    metric: str
    units: str
    differences: tuple[float, ...]
    pairs: int
    mean: float
    one_code: bool = True

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        return t_interval(self.differences, level)


def comparisons(groups: Sequence[Group]) -> list[Comparison]:
    """Every two settings of the same data with a category and seed in common; where there are more than PAIRWISE settings, each
    with that of the highest mean validation proxy (which no test image has seen)."""
    named = names(groups)
    found = []
    for data in dict.fromkeys(source(g.runs[0]) for g in groups):
        settings: dict[str, list[Group]] = {}
        for g in groups:
            if source(g.runs[0]) == data:
                settings.setdefault(named[key(across_categories(g.setting))], []).append(g)
        pairs = list(itertools.combinations(settings, 2))
        if len(settings) > PAIRWISE:
            reference = max(settings, key=lambda name: _proxy(settings[name]))
            pairs = [(reference, name) for name in settings if name != reference]
        for a, b in pairs:
            for metric in COMPARED:
                comparison = compare(a, settings[a], b, settings[b], data, metric)
                if comparison is not None:
                    found.append(comparison)
    return found


def compare(a: str, first: Sequence[Group], b: str, second: Sequence[Group], data: str, metric: str) -> Comparison | None:
    """None where the two have no category and seed in common. Seeds of a category share its images, so that they are averaged
    first and categories are the units; only where there is one category, its seeds are."""
    by_category: dict[tuple[str, object], list[tuple[Run, Run]]] = {}
    for one, other in itertools.product(first, second):
        if _place(one) != _place(other):
            continue
        x, y = one.by_seed(metric), other.by_seed(metric)
        shared = [(x[seed], y[seed]) for seed in x if seed in y]
        if shared:
            by_category.setdefault(_place(one), []).extend(shared)
    if not by_category:
        return None
    pairs = [pair for shared in by_category.values() for pair in shared]
    differences = [[y.metrics[metric] - x.metrics[metric] for x, y in shared] for shared in by_category.values()]
    units = differences[0] if len(differences) == 1 else [statistics.fmean(d) for d in differences]
    one_code = all(x.commit == y.commit for x, y in pairs)
    what = _what([category for category, _ in by_category], len(pairs), len({_place(g) for g in (*first, *second)}))
    return Comparison(a, b, data, metric, what, tuple(units), len(pairs), statistics.fmean(units), one_code)


def _what(compared: Sequence[str], pairs: int, categories: int) -> str:
    """3 categories: a, b, c (1 left out)"""
    if len(compared) > 1:
        text = f"{len(compared)} categories: {', '.join(compared)}"
    else:
        text = f"{pairs} seed{'s' if pairs > 1 else ''} of {compared[0]}"
    left_out = categories - len(compared)
    return f"{text} ({left_out} {'categories' if left_out > 1 else 'category'} left out)" if left_out else text


def comparison_table(groups: Sequence[Group]) -> Table | None:
    """None where no two settings share a category and a seed."""
    found = comparisons(groups)
    if not found:
        return None
    rows = []
    for c in found:
        low, high = c.interval() or (None, None)
        between = Cell("–" if low is None else f"[{signed(low)}, {signed(high)}]", (low, high))
        cells = [plain(c.data), plain(c.b), plain(c.a), plain(SWEPT[c.metric]), Cell(signed(c.mean), (c.mean,)), between]
        rows.append([*cells, Cell(verdict(c, len(found))), Cell(c.units, (len(c.differences), c.units)), plain(c.pairs)])
    notes = [
        f"Difference: mean over the units of (setting − against), where both ran with the same category and seed. {LEVEL:.0%} "
        "confidence interval of Student's paired t, which takes the units' differences to be normal; none for fewer than two "
        "units, and a wide one for few. Seeds of a category share its images, so they are averaged first where there are "
        "several categories; a category is left out where the two have no seed in common. The verdict allows for the "
        f"{len(rows)} comparisons (Bonferroni): better or worse where the interval of level 1 − {1 - LEVEL:.2g}/{len(rows)} "
        "does not hold 0, else undecided."
    ]
    mixed: dict[str, dict[str, None]] = {}  # against → settings, each once
    for c in found:
        if not c.one_code:
            mixed.setdefault(c.a, {})[c.b] = None
    if mixed:
        pairs = " ".join(f"Against {a}: {'; '.join(settings)}." for a, settings in mixed.items())
        notes.append(f"Of these pairs the runs come from different states of the code, which may be why they differ. {pairs}")
    columns = ["data", "setting", "against", "metric", "difference", "interval", "verdict", "units", "pairs"]
    return Table("comparisons", "Paired comparisons", columns, rows, notes, {"interval": ("upper",), "units": ("which",)})


def verdict(c: Comparison, comparisons_made: int) -> str:
    """better, worse or undecided: at LEVEL for all comparisons together, else one in twenty would be "better" by chance."""
    low, high = c.interval(1 - (1 - LEVEL) / comparisons_made) or (-math.inf, math.inf)
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


def signed(value: float | None) -> str:
    """+0.012; a difference that is printed as zero has no sign."""
    text = number(value)
    if value is None or float(text) == 0:
        return text.removeprefix("-")
    return text if value < 0 else f"+{text}"


def t_interval(values: Sequence[float], level: float) -> tuple[float, float] | None:
    """The two-sided interval mean ± t·s/√n of Student's t with n − 1 degrees of freedom.

    values: n numbers, taken as independent draws from a normal distribution
    level:  the probability in (0, 1) with which such an interval holds the true mean
    Returns (lower end, upper end); None for n < 2.
    """
    n = len(values)
    if n < 2:
        return None
    from scipy.stats import t  # takes .3 s to load

    mean, half = statistics.fmean(values), float(t.ppf(0.5 + level / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return mean - half, mean + half


def _place(g: Group) -> tuple[str, object]:
    return str(g["category"]), g.setting.get("data.root")


def _proxy(groups: Iterable[Group]) -> float:
    values = [s.mean for s in (g.statistic("proxy_ap") for g in groups) if s.mean is not None]
    return statistics.fmean(values) if values else -math.inf
