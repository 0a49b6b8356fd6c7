"""Rules for the threshold t. Each selects one of the quiet levels of the held-out normal images (see `levels.quiet_level`).

An image is predicted anomalous if its quiet level is above the threshold. With n levels in rising order:

    area:       t = level(n)                        no normal image is detected (the paper's rule)
    quantile:   t = level(⌈q n⌉)                    at least a share q of the normal images is not detected
    conformal:  t = level(⌈(1 − α)(n + 1)⌉)         a new normal image is detected with a probability of at most α
    rate:       conformal, or area for n < 1/α − 1  the same with a probability of at most max(α, 1/(n + 1)); the default
    tolerance:  t = level(k), see there             at most a share α of all normal images is detected, with a stated confidence

Conformal and rate are split conformal prediction. If the held-out normal images and a new one are exchangeable, the new image's
level takes each of the n + 1 ranks with equal probability. The probability includes the draw of the held-out images: for one
particular draw, the rate can be higher or lower. With n images α cannot be below 1/(n + 1), where the rule equals the paper's.
Two facts weaken the assumption. The scorer learns from the held-out images as well: each of them is scored by what the others
taught, but a new image by what all of them taught. And test images of another day or in other light are not exchangeable.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT = 1e-9  # tolerance for rounding, so that (1 − 0.1) · 10 counts as 9
FLAT_GREY = 0.5  # relative error above which a network hardly reconstructs: a flat grey has 1, trained ones have .02 to .15
FACTORS = (0.25, 0.5, 1, 2, 4)  # of min_area, for which the paper gives no value: the report shows how much it matters


def area(levels: ArrayLike) -> float:
    """The highest of the levels (n,): no normal image has a component of `min_area` pixels above it."""
    return float(np.max(_known(levels)))


def quantile(levels: ArrayLike, q: float) -> float:
    """The lowest of the levels (n,) that at least a share `q` of them does not exceed. ValueError for q outside (0, 1]."""
    if not isinstance(q, float | int) or not 0 < q <= 1:
        raise ValueError(f"q is {q}: it is the share of normal images without a detection and must lie in (0, 1]")
    levels = np.sort(_known(levels))
    return float(levels[math.ceil(q * levels.size - EXACT) - 1])


def conformal(levels: ArrayLike, alpha: float) -> float:
    """The lowest of n levels that detects a new normal image with probability ≤ α; ValueError unless 1/(n + 1) ≤ α < 1."""
    if not isinstance(alpha, float | int) or not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}: it is the rate of false alarms and must lie between 0 and 1")
    levels = np.sort(_known(levels))
    place = math.ceil((1 - alpha) * (levels.size + 1) - EXACT)
    if place > levels.size:
        raise ValueError(
            f"alpha is {alpha}: the lowest rate of false alarms for {levels.size} held-out normal images is "
            f"1/{levels.size + 1} = {1 / (levels.size + 1):.3g}, and {images_needed(alpha)} of them are needed; "
            "raise alpha, or raise data.validation_share in a new training"
        )
    return float(levels[place - 1])


def rate(levels: ArrayLike, alpha: float) -> float:
    """`conformal` at the rate α, or at 1/(n + 1), the lowest that n levels can promise. ValueError unless 0 < α < 1."""
    levels = _known(levels)
    if isinstance(alpha, float | int) and 0 < alpha < 1:
        alpha = max(alpha, 1 / (levels.size + 1))
    return conformal(levels, alpha)


def tolerance(levels: ArrayLike, alpha: float, confidence: float) -> float:
    """The lowest of n levels above which at most a share α of all normal images lies, with probability `confidence`.

    The share below level number k has the distribution Beta(k, n + 1 − k), if levels are independent: k is the least number for
    which P(Beta(k, n + 1 − k) ≥ 1 − α) ≥ confidence. `conformal` keeps α on average over draws of the normal images; this rule
    keeps it in that share of the draws. ValueError for fewer than log(1 − confidence) / log(1 − α) images: 299 for .01 and .95.
    """
    for name, value in (("alpha", alpha), ("confidence", confidence)):
        if not isinstance(value, float | int) or not 0 < value < 1:
            raise ValueError(f"{name} is {value}: it must lie between 0 and 1")
    levels = np.sort(_known(levels))
    needed = images_needed(alpha, confidence)
    if levels.size < needed:
        raise ValueError(f"alpha is {alpha}: {needed} normal images promise it with confidence {confidence}, not {levels.size}")
    from scipy.stats import beta  # takes .3 s to load

    k = np.arange(1, levels.size + 1)
    sure = beta.sf(1 - alpha, k, levels.size + 1 - k) >= confidence - EXACT
    return float(levels[int(np.argmax(sure))])


def images_needed(alpha: float, confidence: float | None = None) -> int:
    """How many normal images can promise the rate α of false alarms: on average over draws of them, or with a confidence."""
    if confidence is None:
        return math.ceil(1 / alpha - EXACT) - 1
    return math.ceil(math.log(1 - confidence) / math.log(1 - alpha) - EXACT)


def promised(threshold: float, levels: ArrayLike) -> float:
    """The rate of false alarms at a threshold: (1 + number of normal `levels` (n,) above it) / (n + 1).

    A new normal image that is exchangeable with the n others is detected with at most this probability, whichever of the levels
    the threshold is.
    """
    levels = _known(levels)
    return float((1 + (levels > threshold).sum()) / (levels.size + 1))


def p_value(level: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """(1 + number of normal `levels` (n,) ≥ l) / (n + 1) for each l in `level`: ≤ α exactly if `conformal` detects l at α."""
    levels = np.sort(_known(levels))
    return (1 + levels.size - np.searchsorted(levels, level, side="left")) / (levels.size + 1)


def areas_around(min_area: int) -> list[int]:
    """The multiples of `min_area` for which levels are stored, in rising order, each at least 1 pixel."""
    return sorted({max(1, round(factor * min_area)) for factor in FACTORS})


def _known(levels: ArrayLike) -> NDArray[Any]:
    found = np.asarray(levels, np.float64)
    nan = int(np.isnan(found).sum())
    if nan or not found.size:
        raise ValueError(f"there are {found.size} levels, {nan} of them NaN: there is nothing to calibrate on")
    return found
