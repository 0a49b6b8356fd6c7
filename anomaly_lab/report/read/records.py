"""Everything that tables and plots are made from: runs in groups that differ in their seeds only, and curves."""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from anomaly_lab.report.read.curves import Curves
from anomaly_lab.report.read.official import lacking, source
from anomaly_lab.report.read.run import FINISHED, Run
from anomaly_lab.report.read.settings import across_categories, key, names, setting_of

ORDER = ("data", "category", "objective", "lam", "corruption", "model")


class Statistic(NamedTuple):
    """A metric over n runs that have it: mean (None for n = 0) and sample standard deviation (None for n < 2)."""

    mean: float | None
    spread: float | None
    n: int


NONE = Statistic(None, None, 0)


def statistic(values: Iterable[float | None]) -> Statistic:
    """Mean and spread of the values that are not None."""
    known = [value for value in values if value is not None]
    spread = statistics.stdev(known) if len(known) > 1 else None
    return Statistic(statistics.mean(known) if known else None, spread, len(known))


def rank(proxies: Iterable[float | None]) -> float:
    """The mean of validation proxies, for choosing the highest; −∞ if none is known."""
    mean = statistic(proxies).mean
    return -math.inf if mean is None else mean


@dataclass(frozen=True)
class Group:
    """Finished runs of one setting on one category.

    setting:   what the runs have in common, as in `setting_of`
    name:      the setting's name, the same on all categories
    differing: the keys of the configuration, with their values, that tell the setting from the others of the report
    runs:      the newest run of each seed, in the order of the seeds
    earlier:   older runs with a seed that was run again; tables list them, but no mean includes them
    """

    setting: Mapping[str, Any]
    name: str
    differing: Mapping[str, Any]
    runs: tuple[Run, ...]
    earlier: tuple[Run, ...]

    def __getitem__(self, name: str) -> Any:
        """A value of metrics.json that all runs share, such as "data", "category", "objective" or "lam"."""
        return self.runs[0].metrics.get(name)

    @cached_property
    def source(self) -> str:
        """What its data are called. They are MVTec AD only if those of every run are."""
        return next((source(run) for run in self.runs if lacking(run) is not None), source(self.runs[0]))

    @property
    def place(self) -> tuple[str, Any]:
        """The category, and the root folder of its data. Groups with the same place are on the same images."""
        return str(self["category"]), self.setting.get("data.root")

    def statistic(self, metric: str) -> Statistic:
        """Mean and spread over the seeds."""
        return statistic(run.metrics.get(metric) for run in self.runs)

    def by_seed(self, metric: str) -> dict[int, Run]:
        """Seed → run, of the runs that have the metric."""
        return {r.metrics["seed"]: r for r in self.runs if r.metrics.get(metric) is not None}


def group(runs: Iterable[Run]) -> list[Group]:
    """The finished ones among `runs` in groups; ORDER is their order."""
    found: dict[str, list[Run]] = {}
    for run in (run for run in runs if run.state == FINISHED):
        found.setdefault(key(setting_of(run)), []).append(run)
    together = sorted(found.values(), key=lambda members: [str(members[0].metrics.get(k)) for k in ORDER])
    named = names([members[0] for members in together])
    groups = []
    for members in together:
        by_end = sorted(members, key=lambda run: ((run.path / "metrics.json").stat().st_mtime, run.path.name))  # written last
        newest = {run.metrics["seed"]: run for run in by_end}
        kept = tuple(newest[seed] for seed in sorted(newest, key=str))
        setting, earlier = setting_of(kept[0]), tuple(run for run in members if run not in kept)
        groups.append(Group(setting, *named[key(across_categories(setting))], kept, earlier))
    return groups


class Records(NamedTuple):
    """`runs`: every run, with or without a result; `groups`: the finished ones; `curves`: those of the chosen runs."""

    runs: Sequence[Run]
    groups: Sequence[Group]
    curves: Sequence[Curves]


def best_by_proxy(groups: Sequence[Group], *apart: str) -> Iterator[tuple[Group, Run]]:
    """For each category, and each combination of the values `apart` of metrics.json, the run with the highest validation proxy.

    No test image influences what a report shows.
    """
    found: dict[tuple[Any, ...], list[tuple[Group, Run]]] = {}
    for g in groups:
        found.setdefault((g.source, *g.place, *(g[name] for name in apart)), []).extend((g, run) for run in g.runs)
    for alike in found.values():
        yield max(alike, key=lambda pair: rank([pair[1].metrics.get("proxy_ap")]))


def chosen(groups: Sequence[Group], every: bool) -> Iterator[tuple[Group, Run]]:
    """The runs whose test images and curves are shown: one for each category, that of the highest validation proxy, or all."""
    best = {run.path for _, run in best_by_proxy(groups)}
    yield from ((g, run) for g in groups for run in g.runs if every or run.path in best)
