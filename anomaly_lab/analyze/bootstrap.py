"""Intervals over images: how far a mean would move with other images of the same kind."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
DRAWS = 2000


class Interval(NamedTuple):
    """The mean of `n` images and its interval. `mean` is None for no image; `low` and `high` are None for fewer than two."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


def interval(values: Sequence[float]) -> Interval:
    """The percentile bootstrap of the mean, with `DRAWS` draws at `LEVEL`. Values that are NaN are no measurements.

    With few images it is too narrow: for n independent normal values it covers the mean in about 80 % (n = 4), 89 % (n = 8) and
    93 % (n = 20) of the cases.
    """
    known = np.array([value for value in values if np.isfinite(value)])
    if known.size < 2:
        return Interval(float(known[0]) if known.size else None, None, None, known.size)
    drawn = np.random.default_rng(0).integers(0, known.size, (DRAWS, known.size))
    low, high = np.quantile(known[drawn].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(known.mean()), float(low), float(high), known.size)
