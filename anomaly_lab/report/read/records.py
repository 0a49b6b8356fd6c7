"""Everything that the tables and plots are made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly_lab.report.read.curves import Curves
from anomaly_lab.report.read.groups import Group, rank
from anomaly_lab.report.read.run import Run


@dataclass(frozen=True)
class Records:
    """`runs`: every run, with or without a result; `groups`: the finished ones; `curves`: those of the chosen runs."""

    runs: Sequence[Run]
    groups: Sequence[Group]
    curves: Sequence[Curves]


def best_by_proxy(groups: Sequence[Group], *apart: str) -> Iterator[tuple[Group, Run]]:
    """For each category, and each combination of the values `apart` of metrics.json, the run with the highest validation proxy.

    No test image influences what a report shows.
    """
    found: dict[tuple[Any, ...], tuple[Group, Run]] = {}
    for g in groups:
        for run in g.runs:
            place = (g.source, *g.place, *(g[name] for name in apart))
            if place not in found or _proxy(run) > _proxy(found[place][1]):
                found[place] = g, run
    yield from found.values()


def chosen(groups: Sequence[Group], every: bool) -> Iterator[tuple[Group, Run]]:
    """The runs whose test images and curves are shown: one for each category, that of the highest validation proxy, or all."""
    best = {run.path for _, run in best_by_proxy(groups)}
    for g in groups:
        for run in g.runs:
            if every or run.path in best:
                yield g, run


def _proxy(run: Run) -> float:
    return rank([run.metrics.get("proxy_ap")])
