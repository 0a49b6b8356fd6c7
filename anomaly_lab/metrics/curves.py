"""AUROC, average precision, AUPRO and F1: pure functions.

The protocol is MVTec AD's (Bergmann et al., CVPR 2019, section 4.3; AUPRO: IJCV 2021). All values are exact: ties are merged,
and scores may have any range. (torchmetrics' AUROC applies a sigmoid to scores outside [0, 1], which creates ties.) A curve
turns only at the scores of positives, and these are few: it is stored as the list of its turns, and metrics are sums over them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

AUPRO_LIMIT = 0.3  # MVTec AD integrates the PRO curve up to this false-positive rate
STRICT_LIMIT = 0.05  # with a third of all pixels marked, nobody could work; this limit tells good maps apart


class Turns(NamedTuple):
    """The turns of a curve, one for each distinct positive score v, from high to low: float64 (T,). Neither class is empty.

    - `true`: the weight of all positives with scores ≥ v.
    - `false`, `false_above`: the number of negatives with scores ≥ v and > v.
    - `negatives`: the number of all negatives.
    """

    true: NDArray[np.float64]
    false: NDArray[np.float64]
    false_above: NDArray[np.float64]
    negatives: float

    @property
    def gain(self) -> NDArray[np.float64]:
        """The weight of the positives with score v."""
        return np.diff(self.true, prepend=0.0)


def turns(negative: ArrayLike, count: ArrayLike, positive: ArrayLike, weight: ArrayLike) -> Turns:
    """Turns from distinct scores in rising order, with the number of negatives and the weight of positives for each score."""
    below = np.concatenate([[0.0], np.cumsum(count, dtype=np.float64)])
    true = np.cumsum(np.asarray(weight, np.float64)[::-1])
    at_least, above = (below[-1] - below[np.searchsorted(negative, positive, side)][::-1] for side in ("left", "right"))
    return Turns(true, at_least, above, float(below[-1]))


def turns_of_scores(negative: ArrayLike, positive: ArrayLike, weight: ArrayLike | None = None) -> Turns | None:
    """Turns from scores in any order, (N,) and (P,), with the weight (P,) of each positive: 1 by default.

    None if a class is empty: no metric is defined then. ValueError for NaN scores, which have no rank.
    """
    if nan := int(np.isnan(negative).sum() + np.isnan(positive).sum()):
        raise ValueError(f"{nan} of {np.size(negative) + np.size(positive)} scores are NaN")
    if np.size(negative) == 0 or np.size(positive) == 0:
        return None
    value, index, count = np.unique(positive, return_inverse=True, return_counts=True)
    return turns(*np.unique(negative, return_counts=True), value, count if weight is None else np.bincount(index, weight))


def auroc(turns: Turns) -> float:
    """Area under the ROC curve: P(positive > negative) + ½ P(positive = negative). Positives have weight 1."""
    return float(1 - turns.gain @ (turns.false + turns.false_above) / (2 * turns.true[-1] * turns.negatives))


def average_precision(turns: Turns) -> float:
    """Σₙ (Rₙ − Rₙ₋₁) Pₙ over the distinct thresholds n, with recall R and precision P. Positives have weight 1."""
    return float(turns.gain @ (turns.true / (turns.true + turns.false)) / turns.true[-1])


def aupro(turns: Turns, limit: float) -> float:
    """1/limit · ∫ PRO d FPR from 0 to `limit`. PRO is the detected fraction of a defect region, averaged over all regions.

    A positive pixel has the weight 1/area of its region. With K regions,

        PRO(t) = 1/K Σ_regions |region ∩ {score ≥ t}| / |region|  =  Σ_{score ≥ t} 1/area  /  Σ 1/area,

    so regions need no names, and the pixels of several images or processes may be pooled in any order. The curve is linear
    between thresholds, and interpolated at the limit. ValueError for a `limit` outside (0, 1].
    """
    if not 0 < limit <= 1:
        raise ValueError(f"the limit on the false-positive rate is {limit}; it must lie in (0, 1]")
    # the curve has two corners at each score v, for {score > v} and {score ≥ v}, and is flat from there to the next score
    corners = np.stack([turns.false_above, turns.false], axis=1).ravel() / turns.negatives
    fpr = np.concatenate([[0.0], corners, [1.0]])
    pro = np.concatenate([[0.0, 0.0], np.repeat(turns.true / turns.true[-1], 2)])
    end = int(np.searchsorted(fpr, limit))  # fpr[end - 1] < limit <= fpr[end]
    slope = (pro[end] - pro[end - 1]) / (fpr[end] - fpr[end - 1])
    at_limit = pro[end - 1] + slope * (limit - fpr[end - 1])
    return float(np.trapezoid(np.append(pro[:end], at_limit), np.append(fpr[:end], limit)) / limit)


def f1_max(turns: Turns) -> float:
    """The highest 2 tp / (2 tp + fp + fn) of all thresholds, which only the ground truth can tell. Positives have weight 1."""
    return float((2 * turns.true / (turns.true + turns.false + turns.true[-1])).max())


def f1(tp: int, fp: int, fn: int) -> float | None:
    """2 tp / (2 tp + fp + fn), from counts; None without positives, because there is nothing to find."""
    return 2 * tp / (2 * tp + fp + fn) if tp + fn else None


def decisions(tp: int, fp: int, positives: int, negatives: int) -> dict[str, float | None]:
    """image_f1, tpr, tnr and tpr_tnr_mean from the numbers of images; None if undefined."""
    tpr = tp / positives if positives else None
    tnr = 1 - fp / negatives if negatives else None
    mean = None if tpr is None or tnr is None else (tpr + tnr) / 2
    return {"image_f1": f1(tp, fp, positives - tp), "tpr": tpr, "tnr": tnr, "tpr_tnr_mean": mean}


def operating_point(threshold: float, levels: ArrayLike, labels: ArrayLike) -> dict[str, float | None]:
    """`decisions` on test images, from their quiet levels and labels (0 or 1), (N,), such as the rows of levels.csv hold.

    The rows of each min_area give a curve over min_area; the rows of one, with thresholds `conformal(normal, α)`, one over α.
    """
    detected, label = np.asarray(levels) > threshold, np.asarray(labels).astype(bool)
    tp, fp = int((detected & label).sum()), int((detected & ~label).sum())
    return decisions(tp, fp, int(label.sum()), int((~label).sum()))


# ---- bounds on the error of a metric if the scores were rounded, so that some ties are not true ties


def auroc_bound(turns: Turns) -> float:
    """The true curve passes the corners of the rounded curve and rises between them: it differs by at most half of each box."""
    return float(turns.gain @ (turns.false - turns.false_above) / (2 * turns.true[-1] * turns.negatives))


def average_precision_bound(turns: Turns) -> float:
    """Within a tie, the true scores of all positives may lie above those of the negatives, or all below."""
    best = turns.true / (turns.true + turns.false_above)
    worst = (turns.true - turns.gain + 1) / (turns.true - turns.gain + 1 + turns.false)
    return float(turns.gain @ (best - worst) / turns.true[-1])


def aupro_bound(turns: Turns, limit: float) -> float:
    """Like `auroc_bound`, but the box at the limit counts in full."""
    width = np.minimum(turns.false / turns.negatives, limit) - np.minimum(turns.false_above / turns.negatives, limit)
    return float(turns.gain @ width / (turns.true[-1] * limit))
