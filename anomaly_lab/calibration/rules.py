"""The threshold as a choice among the quiet levels of held-out normal images (see `calibration.quiet_level`).

An image is predicted anomalous where its quiet level is above the threshold, so that with n levels in rising order

    area:       t = level(n)                        none of the normal images is detected (the paper's rule)
    quantile:   t = level(⌈q n⌉)                    a share q of them is not
    conformal:  t = level(⌈(1 − α)(n + 1)⌉)         a new normal image is detected with probability α at most

The last is split conformal prediction: if the held-out normal images and a new one are exchangeable, the new one's level
takes each of the n + 1 places with equal probability. The probability is over the held-out images too: one particular draw of
them can give more or less. With n images α can't be below 1/(n + 1), where the rule is that of the paper. Two things bend the
assumption: what error is normal is learnt from the held-out images too, and though each is scored by what the others taught,
a new one is scored by what all of them taught; and test images of another day or light are not exchangeable with them at all.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT = 1e-9  # what rounding makes of (1 − 0.1) · 10, so that it counts as 9


def area(levels: ArrayLike) -> float:
    """The highest of the levels (n,): no component of `min_area` pixels in any normal image exceeds it."""
    return float(np.max(_known(levels)))


def quantile(levels: ArrayLike, q: float) -> float:
    """The lowest of the levels (n,) that at least a share `q` of them doesn't exceed. ValueError for q outside (0, 1]."""
    if not 0 < q <= 1:
        raise ValueError(f"q is {q}: the share of normal images without detection must lie in (0, 1]")
    levels = np.sort(_known(levels))
    return float(levels[math.ceil(q * levels.size - EXACT) - 1])


def conformal(levels: ArrayLike, alpha: float) -> float:
    """The lowest threshold with which a new normal image is detected with probability `alpha` at most, levels (n,).

    ValueError for alpha outside (0, 1), or so low that n images can't show it.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}: the rate of false alarms must lie between 0 and 1")
    levels = np.sort(_known(levels))
    place = math.ceil((1 - alpha) * (levels.size + 1) - EXACT)
    if place > levels.size:
        raise ValueError(
            f"alpha is {alpha}: {levels.size} held-out normal images can show a rate of false alarms of 1/{levels.size + 1} = "
            f"{1 / (levels.size + 1):.3g} at least, and {math.ceil(1 / alpha - EXACT) - 1} of them are needed; raise alpha, or "
            "data.validation_share in a new training"
        )
    return float(levels[place - 1])


def p_value(level: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """(1 + number of normal `levels` (n,) ≥ level) / (n + 1), for each of `level`: p ≤ α exactly where `conformal` detects."""
    levels = np.sort(_known(levels))
    return (1 + levels.size - np.searchsorted(levels, level, side="left")) / (levels.size + 1)


def areas_around(min_area: int, factors: Sequence[float] = (0.25, 0.5, 1, 2, 4)) -> list[int]:
    """The values of min_area at which levels are kept, since the paper leaves it open: multiples, at least 1 pixel, rising."""
    return sorted({max(1, round(factor * min_area)) for factor in factors})


def _known(levels: ArrayLike) -> NDArray[Any]:
    found = np.asarray(levels, np.float64)
    if not found.size or np.isnan(found).any():
        raise ValueError(f"{found.size} levels, {int(np.isnan(found).sum())} of them NaN: there is nothing to calibrate on")
    return found
