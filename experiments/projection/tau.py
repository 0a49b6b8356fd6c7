"""Kendall's τ_b between a quantity and detection, within each set of images and pooled; its intervals; a test against chance.

τ_b = (C − D) / √(P Q): C pairs of runs are ranked alike by both, D the other way round; P pairs differ in the one, Q in the
other. So a quantity that is the same for most runs has a τ near 0. Pairs with an unknown value, NaN, do not count. A set has n
runs: quantities (Q, n) and one truth (n).
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


class Pairs(NamedTuple):
    """Of all pairs of runs (…, n, n): +1 where two arrays rank them alike, −1 the other way round; where each one differs."""

    agree: Array
    own: Array
    other: Array


def pairs(quantity: Array, truth: Array) -> Pairs:
    """The pairs of arrays (…, n) whose values are known in both."""
    known = ~np.isnan(quantity) & ~np.isnan(truth)
    both = known[..., :, None] & known[..., None, :]
    own, other = signs(quantity) * both, signs(truth) * both
    return Pairs(own * other, np.abs(own), np.abs(other))


def tau(quantity: Array, truth: Array) -> float | None:
    """τ_b of two arrays (n); None where one of them tells no pair apart."""
    found = pairs(quantity, truth)
    value = float(_ratios(found.agree.sum(), found.own.sum() * found.other.sum()))
    return None if np.isnan(value) else value


def within(quantity: Array, truth: Array) -> Tau:
    """τ over the runs of one set. Interval: runs are drawn anew; copies of one run are no pair."""
    found = pairs(quantity, truth)
    draws = _tau_of_draws(found, _drawn(np.random.default_rng(0), len(truth)))
    return Tau(tau(quantity, truth), *_ends(draws), int(np.abs(found.agree).sum() / 2))


def pooled(quantities: Sequence[Array], truths: Sequence[Array]) -> Tau:
    """The mean of the sets' τ. `quantities`: one array (n) a set. Interval: sets are drawn anew, and runs within them."""
    rng = np.random.default_rng(0)
    found = [pairs(q, t) for q, t in zip(quantities, truths, strict=True)]
    values = [value for q, t in zip(quantities, truths, strict=True) if (value := tau(q, t)) is not None]
    if not values:
        return Tau(None, None, None, 0)
    by_set = np.stack([_tau_of_draws(each, _drawn(rng, len(each.agree))) for each in found])  # (sets, draws)
    chosen = rng.integers(0, len(found), (len(found), DRAWS))
    drawn = np.take_along_axis(by_set, chosen, 0)
    known = ~np.isnan(drawn)
    draws = np.where(known, drawn, 0).sum(0) / np.maximum(known.sum(0), 1)
    return Tau(float(np.mean(values)), *_ends(draws[known.any(0)]), int(sum(np.abs(each.agree).sum() for each in found) / 2))


class Chance(NamedTuple):
    """Of each quantity (Q): `p`, how often chance ranks as well; `limit`, the |τ| from which on p is .05. NaN without a τ."""

    p: Array
    limit: Array


def chance(quantities: Sequence[Array], truths: Sequence[Array]) -> Chance:
    """The test of all quantities (Q, n) of each set at once, adjusted for their number (Westfall and Young's max-T).

    The truths of each set are permuted, for all quantities alike; so their dependence counts. Each pooled |τ| is measured in
    units of its own spread under permutation: a quantity with many ties scatters more than others, and must not set their
    limit. p is the share of permutations whose largest |τ| of all quantities is as large, the data themselves counted.
    """
    rng = np.random.default_rng(0)
    observed = _means(quantities, truths)
    drawn = np.stack([_means(quantities, [rng.permutation(truth) for truth in truths]) for _ in range(DRAWS // 2)])
    known = ~np.isnan(observed)
    unit = np.full(len(observed), np.nan)
    unit[known] = np.sqrt(np.nanmean(np.square(drawn[:, known]), 0))
    unit[unit == 0] = np.nan
    if np.isnan(unit).all():
        return Chance(unit, unit)
    best = np.nanmax(np.abs(drawn[:, ~np.isnan(unit)] / unit[~np.isnan(unit)]), 1)
    with np.errstate(invalid="ignore"):
        reached = (best[:, None] >= np.abs(observed / unit) - 1e-9).sum(0)
    p = np.where(np.isnan(unit), np.nan, (1 + reached) / (1 + len(best)))
    return Chance(p, np.quantile(best, LEVEL) * unit)


def _means(quantities: Sequence[Array], truths: Sequence[Array]) -> Array:
    """Pooled τ of each quantity, (Q)."""
    taus = []
    for own, truth in zip(quantities, truths, strict=True):
        found = pairs(own, truth)
        agree, mine, other = (each.sum((-2, -1)) for each in found)
        taus.append(_ratios(agree, mine * other))
    every = np.stack(taus)
    known = ~np.isnan(every)
    return np.where(known.any(0), np.where(known, every, 0).sum(0) / np.maximum(known.sum(0), 1), np.nan)


def _drawn(rng: np.random.Generator, n: int) -> Array:
    """How often each of n runs is in each draw, (draws, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)


def _tau_of_draws(found: Pairs, counts: Array) -> Array:
    agree, own, other = ((counts @ matrix * counts).sum(1) for matrix in found)
    return _ratios(agree, own * other)


def _ratios(above: Array | float, below: Array | float) -> Array:
    """above / √below; NaN where below is 0."""
    below = np.asarray(below, float)
    return np.where(below > 0, above / np.sqrt(np.where(below > 0, below, 1)), np.nan)


def _ends(draws: Array) -> tuple[float | None, float | None]:
    known = draws[~np.isnan(draws)]
    if not known.size:
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
