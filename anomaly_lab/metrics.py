"""Detection and localisation figures: AUROC, average precision, AUPRO, F1, TPR and TNR.

The protocol is MVTec AD's (Bergmann et al., CVPR 2019, section 4.3; AUPRO: IJCV 2021): pixels are pooled
over all images of a category, per-region overlap (PRO) is averaged over all defect regions of all images,
and the mean of TPR and TNR is what the paper's Table 2 reports. Everything is exact: no bins, merged ties,
scores of any range (torchmetrics' own AUROC sends scores outside [0, 1] through a sigmoid: ties appear).

Why `negative` and `positive` scores are kept apart: all curves turn only at scores of defective pixels, and
these are few. The work is to sort the normal pixels once and to look the defective ones up among them.
"""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchmetrics import Metric


def auroc(negative: ArrayLike, positive: ArrayLike) -> float | None:
    """Area under the ROC curve: P(positive > negative) + ½ P(positive = negative), scores (N,) and (P,).

    None when a class is empty. ValueError for NaN scores.
    """
    if _class_is_empty(negative, positive):
        return None
    true, false, false_above = _sweep(negative, positive, np.ones(np.size(positive)))
    gain = np.diff(true, prepend=0.0)
    return float(1 - gain @ (false + false_above) / (2 * true[-1] * np.size(negative)))


def average_precision(negative: ArrayLike, positive: ArrayLike) -> float | None:
    """Σₙ (Rₙ − Rₙ₋₁) Pₙ over the distinct thresholds n, R recall and P precision, scores (N,) and (P,).

    None when a class is empty. ValueError for NaN scores.
    """
    if _class_is_empty(negative, positive):
        return None
    true, false, _ = _sweep(negative, positive, np.ones(np.size(positive)))
    gain = np.diff(true, prepend=0.0)
    return float(gain @ (true / (true + false)) / true[-1])


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
    if _class_is_empty(negative, positive):
        return None
    true, false, false_above = _sweep(negative, positive, 1 / area)
    # The curve turns twice at each score v, at {score > v} and at {score ≥ v}, and is flat to the next.
    turns = np.stack([false_above, false], axis=1).ravel() / np.size(negative)
    fpr = np.concatenate([[0.0], turns, [1.0]])
    pro = np.concatenate([[0.0, 0.0], np.repeat(true / true[-1], 2)])
    end = int(np.searchsorted(fpr, limit))  # fpr[end - 1] < limit <= fpr[end]
    slope = (pro[end] - pro[end - 1]) / (fpr[end] - fpr[end - 1])
    at_limit = pro[end - 1] + slope * (limit - fpr[end - 1])
    return float(np.trapezoid(np.append(pro[:end], at_limit), np.append(fpr[:end], limit)) / limit)


def f1(tp: int, fp: int, fn: int) -> float | None:
    """2 tp / (2 tp + fp + fn), from counts; None where nothing is positive and nothing is predicted so."""
    return 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else None


def regions(truth: NDArray[np.bool_]) -> NDArray[Any]:
    """The 8-connected regions of a mask (H, W): labels (H, W), 0 outside and 1 … K inside."""
    return cv2.connectedComponents(np.asarray(truth, bool).astype(np.uint8), connectivity=8)[1]


def _class_is_empty(negative: ArrayLike, positive: ArrayLike) -> bool:
    """Whether a figure is undefined. ValueError for NaN, which has no rank: sorting would put it on top."""
    nan = int(np.isnan(negative).sum() + np.isnan(positive).sum())
    if nan:
        raise ValueError(f"{nan} of {np.size(negative) + np.size(positive)} scores are NaN")
    return np.size(negative) == 0 or np.size(positive) == 0


def _sweep(negative: ArrayLike, positive: ArrayLike, weight: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """For each distinct positive score v, from high to low: (true, false, false_above), as float64.

    true: the weight of all positives ≥ v; false: the number of negatives ≥ v; false_above: of negatives > v.
    """
    negative = np.asarray(negative)
    if not (negative[:-1] <= negative[1:]).all():  # checking millions is cheaper than sorting them again
        negative = np.sort(negative)
    value, index = np.unique(positive, return_inverse=True)
    true = np.cumsum(np.bincount(index, weights=weight)[::-1])
    false = negative.size - np.searchsorted(negative, value, side="left")[::-1]
    false_above = negative.size - np.searchsorted(negative, value, side="right")[::-1]
    return true, false.astype(np.float64), false_above.astype(np.float64)


class _Pooled(Metric):
    """Scores of the two classes, pooled over updates and processes, and the counts of a binary decision.

    The lists hold only float32 tensors (n,): a process without data joins the exchange with an empty one of
    that kind, and torchmetrics hangs or mixes up bytes where types or numbers of dimensions differ.
    """

    negative: list[Tensor]
    positive: list[Tensor]
    area: list[Tensor]
    tp: Tensor
    fp: Tensor

    full_state_update = False
    update_called = True  # compute() without data is well defined (all None): no warning

    def __init__(self, *lists: str) -> None:
        super().__init__()
        for name in ("negative", "positive", *lists):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        for name in ("tp", "fp"):
            self.add_state(name, default=torch.tensor(0), dist_reduce_fx="sum")

    def _pool(self, state: list[Tensor] | Tensor) -> NDArray[np.float32]:
        """A list state as one array; torchmetrics makes it a tensor on exchange between processes."""
        parts = [state] if isinstance(state, Tensor) else state
        return torch.cat([torch.empty(0, device=self.device), *parts]).cpu().numpy()


class ImageMetrics(_Pooled):
    """image_auroc, image_f1, tpr, tnr and tpr_tnr_mean over images; None where undefined (no such image)."""

    def update(self, score: Tensor, label: int, predicted: int) -> None:
        """Add an image: score (), kept as float32; label and predicted are 1 for anomalous, else 0."""
        scores = self.positive if label else self.negative
        scores.append(score.detach().to(self.device, torch.float32).reshape(1))
        self.tp += int(bool(predicted) and bool(label))
        self.fp += int(bool(predicted) and not label)

    def compute(self) -> dict[str, float | None]:
        """The five figures over all images so far. ValueError for NaN scores."""
        negative, positive = self._pool(self.negative), self._pool(self.positive)
        tp, fp = int(self.tp), int(self.fp)
        tpr = tp / positive.size if positive.size else None
        tnr = 1 - fp / negative.size if negative.size else None
        return {
            "image_auroc": auroc(negative, positive),
            "image_f1": f1(tp, fp, positive.size - tp),
            "tpr": tpr,
            "tnr": tnr,
            "tpr_tnr_mean": None if tpr is None or tnr is None else (tpr + tnr) / 2,
        }


class PixelMetrics(_Pooled):
    """pixel_auroc, pixel_ap, aupro (FPR ≤ 0.3), pixel_f1 over the pixels of all images; None where undefined.

    Keeps one float32 for each normal pixel and two for each defective one, on the metric's device.
    """

    def __init__(self) -> None:
        super().__init__("area")

    def update(self, heatmap: Tensor, truth: Tensor, predicted: Tensor) -> None:
        """Add an image: heatmap (H, W), kept as float32; truth and predicted (H, W), bool.

        An anomalous image without a ground truth must be left out: an empty truth says that all is normal.
        ValueError when the shapes differ or are not (H, W).
        """
        if heatmap.ndim != 2 or not heatmap.shape == truth.shape == predicted.shape:
            shapes = [tuple(x.shape) for x in (heatmap, truth, predicted)]
            raise ValueError(f"heatmap, truth and predicted must share one shape (H, W), not {shapes}")
        heatmap = heatmap.detach().to(self.device, torch.float32)
        truth, predicted = truth.to(self.device, torch.bool), predicted.to(self.device, torch.bool)
        self.negative.append(heatmap[~truth])
        self.positive.append(heatmap[truth])
        label = regions(truth.cpu().numpy())
        area = np.bincount(label.ravel())[label[label > 0]]  # exact in float32 up to 2²⁴ = 4096 × 4096 pixels
        self.area.append(torch.as_tensor(area, dtype=torch.float32, device=self.device))
        self.tp += (predicted & truth).sum()
        self.fp += (predicted & ~truth).sum()

    def compute(self) -> dict[str, float | None]:
        """The four figures over all pixels so far. ValueError for NaN in a heatmap."""
        negative, positive = np.sort(self._pool(self.negative)), self._pool(self.positive)
        tp, fp = int(self.tp), int(self.fp)
        return {
            "pixel_auroc": auroc(negative, positive),
            "pixel_ap": average_precision(negative, positive),
            "aupro": aupro(negative, positive, self._pool(self.area)),
            "pixel_f1": f1(tp, fp, positive.size - tp),
        }
