"""What all benchmarks share: interleaved timing, and a row of the table."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass
class Row:
    """One figure. `target`: what it should be at least, or with `at_most` at most; None where it is only stated."""

    what: str
    value: float
    unit: str = ""
    target: float | None = None
    at_most: bool = False
    how: str = ""

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


Times = dict[str, list[float]]


def interleaved(functions: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Seconds of each function in each of `rounds` rounds, in which they take turns; one more round first warms up."""
    times: Times = {name: [] for name in functions}
    for i in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if i:
                times[name].append(time.perf_counter() - start)
    return times


def median(times: Times, name: str) -> float:
    return statistics.median(times[name])


def ratio(times: Times, slow: str, fast: str) -> float:
    """The median of slow/fast, round by round: on a shared machine single times mean little."""
    return statistics.median(s / f for s, f in zip(times[slow], times[fast], strict=True))


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log(seconds) over log(size): 1 where cost is proportional to size."""
    x, y = [math.log(v) for v in sizes], [math.log(v) for v in seconds]
    mx, my = statistics.mean(x), statistics.mean(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
