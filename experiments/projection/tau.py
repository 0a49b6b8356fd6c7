"""Kendall's τ between a quantity and detection, within each set of images and pooled, with intervals and a level of chance.

τ = (C − D) / (C + D): C pairs of runs are ranked alike by both, D the other way round; ties count in neither. A set has n runs:
quantities (Q, n) and one truth (n).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
Array = NDArray[np.float64]


class Tau(NamedTuple):
    """τ, its bootstrap interval, and the number of pairs that count; None where no pair does."""

    value: float | None
    low: float | None
    high: float | None
    pairs: int


def signs(values: Array) -> Array:
    """sign(vᵢ − vⱼ) of values (…, n): (…, n, n). NaN, an unknown value, gives 0: no pair with it counts."""
    return np.nan_to_num(np.sign(values[..., :, None] - values[..., None, :]))


def tau(quantity: Array, truth: Array) -> float | None:
    """τ of two arrays (n)."""
    agree = signs(quantity) * signs(truth)
    return _ratio(agree.sum(), np.abs(agree).sum())


def within(quantity: Array, truth: Array) -> Tau:
    """τ over the runs of one set. Interval: runs are drawn anew; copies of one run are no pair."""
    agree = signs(quantity) * signs(truth)
    counts = _drawn(np.random.default_rng(0), len(truth))
    draws = _tau_of_draws(agree, counts)
    return Tau(tau(quantity, truth), *_ends(draws), int(np.abs(agree).sum() / 2))


def pooled(quantities: Sequence[Array], truths: Sequence[Array]) -> Tau:
    """The mean of the sets' τ. `quantities`: one array (n) a set. Interval: sets are drawn anew, and runs within them."""
    rng = np.random.default_rng(0)
    agree = [signs(q) * signs(t) for q, t in zip(quantities, truths, strict=True)]
    values = [found for q, t in zip(quantities, truths, strict=True) if (found := tau(q, t)) is not None]
    if not values:
        return Tau(None, None, None, 0)
    by_set = np.stack([_tau_of_draws(a, _drawn(rng, len(a))) for a in agree])  # (sets, draws)
    chosen = rng.integers(0, len(agree), (len(agree), DRAWS))
    drawn = np.take_along_axis(by_set, chosen, 0)
    known = ~np.isnan(drawn)
    draws = np.where(known, drawn, 0).sum(0) / np.maximum(known.sum(0), 1)
    return Tau(float(np.mean(values)), *_ends(draws[known.any(0)]), int(sum(np.abs(a).sum() for a in agree) / 2))


def chance(quantities: Sequence[Array], truths: Sequence[Array]) -> float:
    """The |pooled τ| that the best of all quantities exceeds in 5 % of the cases if none has to do with the truth.

    `quantities`: (Q, n) a set. The truths of each set are permuted, for all quantities alike; so their dependence counts.
    """
    rng, best = np.random.default_rng(0), []
    ranked = [signs(q) for q in quantities]
    for _ in range(DRAWS // 2):
        found = []
        for own, truth in zip(ranked, truths, strict=True):
            agree = own * signs(rng.permutation(truth))
            found.append(_ratios(agree.sum((-2, -1)), np.abs(agree).sum((-2, -1))))
        means = np.stack(found)
        known = ~np.isnan(means)
        best.append(np.abs(np.where(known, means, 0).sum(0) / np.maximum(known.sum(0), 1)).max())
    return float(np.quantile(best, LEVEL))


def _drawn(rng: np.random.Generator, n: int) -> Array:
    """How often each of n runs is in each draw, (draws, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)


def _tau_of_draws(agree: Array, counts: Array) -> Array:
    above, below = ((counts @ matrix * counts).sum(1) for matrix in (agree, np.abs(agree)))
    return _ratios(above, below)


def _ratios(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 else None


def _ends(draws: Array) -> tuple[float | None, float | None]:
    known = draws[~np.isnan(draws)]
    if not known.size:
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
