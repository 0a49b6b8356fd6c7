"""AUROC, average precision, AUPRO and F1 from the scores of two classes: pure functions on arrays.

The protocol is MVTec AD's (Bergmann et al., CVPR 2019, section 4.3; AUPRO: IJCV 2021). Everything is exact: merged ties, scores
of any range (torchmetrics' own AUROC sends scores outside [0, 1] through a sigmoid: ties appear).

All curves turn only at scores of the positive class, and these are few. A curve is therefore kept as a list of its turns,
from the highest positive score to the lowest, and each figure is a sum over them.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Turns(NamedTuple):
    """For each distinct positive score v, from high to low: float64 (T,), and two totals.

    `true`: the weight of all positives ≥ v; `false`: the number of negatives ≥ v; `false_above`: of negatives > v.
    """

    true: NDArray[np.float64]
    false: NDArray[np.float64]
    false_above: NDArray[np.float64]
    negatives: float

    @property
    def gain(self) -> NDArray[np.float64]:
        """The weight of the positives at each score alone."""
        return np.diff(self.true, prepend=0.0)


def turns(negative: ArrayLike, count: ArrayLike, positive: ArrayLike, weight: ArrayLike) -> Turns:
    """From the distinct scores of both classes, rising, with how many negatives and which weight of positives have them."""
    below = np.concatenate([[0.0], np.cumsum(count, dtype=np.float64)])
    true = np.cumsum(np.asarray(weight, np.float64)[::-1])
    at_least, above = (below[-1] - below[np.searchsorted(negative, positive, side)][::-1] for side in ("left", "right"))
    return Turns(true, at_least, above, float(below[-1]))


def auroc(negative: ArrayLike, positive: ArrayLike) -> float | None:
    """Area under the ROC curve: P(positive > negative) + ½ P(positive = negative), scores (N,) and (P,).

    None when a class is empty. ValueError for NaN scores.
    """
    return None if _class_is_empty(negative, positive) else auroc_of(_turns(negative, positive))


def average_precision(negative: ArrayLike, positive: ArrayLike) -> float | None:
    """Σₙ (Rₙ − Rₙ₋₁) Pₙ over the distinct thresholds n, R recall and P precision, scores (N,) and (P,).

    None when a class is empty. ValueError for NaN scores.
    """
    return None if _class_is_empty(negative, positive) else average_precision_of(_turns(negative, positive))


def aupro(negative: ArrayLike, positive: ArrayLike, area: ArrayLike, limit: float = 0.3) -> float | None:
    """1/limit · ∫ PRO d FPR from 0 to `limit`; PRO: detected fraction of a region, averaged over regions.

    `area` (P,) is the size in pixels of the region that each positive pixel lies in. With K regions,

        PRO(t) = 1/K Σ_regions |region ∩ {score ≥ t}| / |region|  =  Σ_{score ≥ t} 1/area  /  Σ 1/area,

    so that no region needs a name, and pixels of several images or processes may be pooled in any order.
    The curve is linear between successive thresholds, and so interpolated at the limit.
    None without regions or without normal pixels. ValueError for NaN scores, a `limit` outside (0, 1], or an
    `area` that is below 1 or of another shape than `positive`.
    """
    area = np.asarray(area, np.float64)
    if not 0 < limit <= 1:
        raise ValueError(f"the limit on the false-positive rate is {limit}; it must lie in (0, 1]")
    if area.shape != np.shape(positive) or not (area >= 1).all():
        raise ValueError(f"area {area.shape} must be at least 1 for each of positive {np.shape(positive)}")
    return None if _class_is_empty(negative, positive) else aupro_of(_turns(negative, positive, 1 / area), limit)


def f1(tp: int, fp: int, fn: int) -> float | None:
    """2 tp / (2 tp + fp + fn), from counts; None where nothing is positive: there is nothing to find then."""
    return 2 * tp / (2 * tp + fp + fn) if tp + fn else None


# ---- the same from turns, neither class empty


def auroc_of(turns: Turns) -> float:
    """`auroc`, with positives weighted by their number."""
    return float(1 - turns.gain @ (turns.false + turns.false_above) / (2 * turns.true[-1] * turns.negatives))


def average_precision_of(turns: Turns) -> float:
    """`average_precision`, with positives weighted by their number."""
    return float(turns.gain @ (turns.true / (turns.true + turns.false)) / turns.true[-1])


def aupro_of(turns: Turns, limit: float = 0.3) -> float:
    """`aupro`, with each positive weighted by 1 / area of its region."""
    # The curve turns twice at each score v, at {score > v} and at {score ≥ v}, and is flat to the next.
    corners = np.stack([turns.false_above, turns.false], axis=1).ravel() / turns.negatives
    fpr = np.concatenate([[0.0], corners, [1.0]])
    pro = np.concatenate([[0.0, 0.0], np.repeat(turns.true / turns.true[-1], 2)])
    end = int(np.searchsorted(fpr, limit))  # fpr[end - 1] < limit <= fpr[end]
    slope = (pro[end] - pro[end - 1]) / (fpr[end] - fpr[end - 1])
    at_limit = pro[end - 1] + slope * (limit - fpr[end - 1])
    return float(np.trapezoid(np.append(pro[:end], at_limit), np.append(fpr[:end], limit)) / limit)


# ---- where scores were rounded, so that some ties are none: how far each figure can be from that of the scores themselves


def auroc_bound(turns: Turns) -> float:
    """The true curve runs through the corners of the rounded one, and rises in between: half of the boxes at most."""
    return float(turns.gain @ (turns.false - turns.false_above) / (2 * turns.true[-1] * turns.negatives))


def average_precision_bound(turns: Turns) -> float:
    """Of tied scores, all positives may truly lie above the negatives, or all below."""
    best = turns.true / (turns.true + turns.false_above)
    worst = (turns.true - turns.gain + 1) / (turns.true - turns.gain + 1 + turns.false)
    return float(turns.gain @ (best - worst) / turns.true[-1])


def aupro_bound(turns: Turns, limit: float = 0.3) -> float:
    """As for AUROC; the box that the limit cuts counts in full."""
    width = np.minimum(turns.false / turns.negatives, limit) - np.minimum(turns.false_above / turns.negatives, limit)
    return float(turns.gain @ width / (turns.true[-1] * limit))


def _turns(negative: ArrayLike, positive: ArrayLike, weight: NDArray[Any] | None = None) -> Turns:
    value, index, count = np.unique(positive, return_inverse=True, return_counts=True)
    found = count if weight is None else np.bincount(index, weights=weight)
    return turns(*np.unique(negative, return_counts=True), value, found)


def _class_is_empty(negative: ArrayLike, positive: ArrayLike) -> bool:
    """Whether a figure is undefined. ValueError for NaN, which has no rank: sorting would put it on top."""
    nan = int(np.isnan(negative).sum() + np.isnan(positive).sum())
    if nan:
        raise ValueError(f"{nan} of {np.size(negative) + np.size(positive)} scores are NaN")
    return np.size(negative) == 0 or np.size(positive) == 0


def operating_point(threshold: float, levels: ArrayLike, labels: ArrayLike) -> dict[str, float | None]:
    """tpr, tnr, tpr_tnr_mean and image_f1 on test images from their levels and labels (0 or 1), (N,); None where undefined.

    With the levels of a run's levels.csv at one min_area, a curve over α is this at `conformal(normal, α)` for each α, and one
    over min_area is this for each min_area that stands there.
    """
    detected, label = np.asarray(levels) > threshold, np.asarray(labels).astype(bool)
    tpr = float(detected[label].mean()) if label.any() else None
    tnr = float(1 - detected[~label].mean()) if (~label).any() else None
    return {
        "tpr": tpr,
        "tnr": tnr,
        "tpr_tnr_mean": None if tpr is None or tnr is None else (tpr + tnr) / 2,
        "image_f1": f1(int((detected & label).sum()), int((detected & ~label).sum()), int((~detected & label).sum())),
    }
