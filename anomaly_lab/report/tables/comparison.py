"""Paired comparisons of two settings over categories and seeds, with a confidence interval and a verdict."""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anomaly_lab.report.read.protocol import COMPARED, METRICS
from anomaly_lab.report.read.records import Group, Records, rank
from anomaly_lab.report.read.run import Run
from anomaly_lab.report.tables.table import DIGITS, Cell, Table, number, plain

LEVEL = 0.95  # of the confidence intervals
PAIRWISE = 4  # at most so many settings are all compared with each other


@dataclass(frozen=True)
class Comparison:
    """A metric of setting `b` minus that of setting `a`, in the `pairs` pairs of runs of the same category and seed.

    units:       what the differences are: categories, or the seeds of the only category
    differences: one per unit, and their mean; that of a category is the mean over its seeds
    one_code:    whether the two runs of each pair come from the same state of the code
    """

    a: str
    b: str
    data: str
    metric: str
    units: str
    differences: tuple[float, ...]
    pairs: int
    mean: float
    one_code: bool

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """The confidence interval of the mean difference; None for fewer than two units."""
        return t_interval(self.differences, level)


def comparisons(groups: Sequence[Group]) -> list[Comparison]:
    """Each pair of settings on the same data with a category and a seed in common, in each metric of COMPARED.

    If there are more than PAIRWISE settings, each is compared with only one: that of the highest mean validation proxy, which
    no test image has influenced.
    """
    found = []
    for data in dict.fromkeys(g.source for g in groups):
        here = [g for g in groups if g.source == data]
        settings = {name: [g for g in here if g.name == name] for name in dict.fromkeys(g.name for g in here)}
        pairs = list(itertools.combinations(settings, 2))
        if len(settings) > PAIRWISE:
            reference = max(settings, key=lambda name: rank(g.statistic("proxy_ap").mean for g in settings[name]))
            pairs = [(reference, name) for name in settings if name != reference]
        made = (compare(a, settings[a], b, settings[b], data, metric) for a, b in pairs for metric in COMPARED)
        found += [comparison for comparison in made if comparison is not None]
    return found


def compare(a: str, first: Sequence[Group], b: str, second: Sequence[Group], data: str, metric: str) -> Comparison | None:
    """The comparison of two settings' groups; None if they have no category and seed in common.

    Seeds of a category share its images. They are averaged first, and categories are the units. Only if there is one category,
    its seeds are the units.
    """
    by_category: dict[tuple[str, Any], list[tuple[Run, Run]]] = {}
    for one, other in itertools.product(first, second):
        x, y = one.by_seed(metric), other.by_seed(metric)
        if one.place == other.place and (shared := [(x[seed], y[seed]) for seed in x if seed in y]):
            by_category.setdefault(one.place, []).extend(shared)
    if not by_category:
        return None
    pairs = list(itertools.chain(*by_category.values()))
    differences = [[y.metrics[metric] - x.metrics[metric] for x, y in shared] for shared in by_category.values()]
    units = differences[0] if len(differences) == 1 else [*map(statistics.fmean, differences)]
    one_code = all(x.commit == y.commit for x, y in pairs)
    count = f"{len(units)} categories:" if len(by_category) > 1 else f"{len(pairs)} seed{'s' if len(pairs) > 1 else ''} of"
    what = f"{count} {', '.join(category for category, _ in by_category)}"
    if left_out := len({g.place for g in (*first, *second)}) - len(by_category):
        what += f" ({left_out} {'categories' if left_out > 1 else 'category'} left out)"
    return Comparison(a, b, data, metric, what, tuple(units), len(pairs), statistics.fmean(units), one_code)


def tables(records: Records) -> list[Table]:
    """One row per comparison; no table if no two settings share a category and a seed."""
    found = comparisons(records.groups)
    if not found:
        return []
    notes = [
        "Difference: the metric of “setting” minus that of “against”, for the same category and seed, averaged over the units. "
        f"Interval: {LEVEL:.0%} confidence interval of the paired Student t, which assumes normally distributed differences. "
        "It is wide for few units, and fewer than two have none. Units: seeds of a category share its images, so with several "
        "categories the seeds are averaged first and the categories are the units. A category without a common seed is left "
        f"out. Verdict: better or worse if the interval of level 1 − {1 - LEVEL:.2g}/{len(found)} does not contain 0 "
        f"(Bonferroni's correction for {len(found)} comparisons), else undecided."
    ]
    mixed = list(dict.fromkeys((c.a, c.b) for c in found if not c.one_code))
    if mixed:
        against = dict.fromkeys(a for a, _ in mixed)
        pairs = " ".join(f"Against {a}: {'; '.join(b for first, b in mixed if first == a)}." for a in against)
        notes.append(f"Some pairs of runs come from different states of the code, which may explain their difference. {pairs}")
    columns = ["data", "setting", "against", "metric", "difference", "interval", "verdict", "units", "pairs"]
    parts = {"interval": ("upper",), "units": ("which",)}
    return [Table("comparisons", "Paired comparisons", columns, [_row(c, len(found)) for c in found], notes, parts)]


def _row(c: Comparison, made: int) -> list[Cell]:
    low, high = c.interval() or (None, None)
    return [
        *map(plain, (c.data, c.b, c.a, METRICS[c.metric])),
        Cell(signed(c.mean), (c.mean,)),
        Cell("–" if low is None else f"[{signed(low)}, {signed(high)}]", (low, high)),
        Cell(verdict(c, made)),
        Cell(c.units, (len(c.differences), c.units)),
        plain(c.pairs),
    ]


def verdict(c: Comparison, made: int) -> str:
    """ "better", "worse" or "undecided". The level LEVEL holds for all `made` comparisons together (Bonferroni)."""
    low, high = c.interval(1 - (1 - LEVEL) / made) or (-math.inf, math.inf)
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


def signed(value: float | None) -> str:
    """+0.012; a difference that is printed as zero has no sign."""
    text = number(value)
    return text.removeprefix("-") if value is None or float(text) == 0 else f"{value:+.{DIGITS}f}"


def t_interval(values: Sequence[float], level: float) -> tuple[float, float] | None:
    """The two-sided interval mean ± t·s/√n of Student's t with n − 1 degrees of freedom.

    It contains the true mean with probability `level`, in (0, 1), if the n values are independent draws from a normal
    distribution. None for n < 2.
    """
    if (n := len(values)) < 2:
        return None
    from scipy.stats import t  # takes .3 s to load

    mean, half = statistics.fmean(values), float(t.ppf(0.5 + level / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return mean - half, mean + half
