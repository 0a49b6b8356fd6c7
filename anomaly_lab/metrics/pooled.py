"""Detection and localisation figures as torchmetrics: over images, and over the pixels of all images of a test set.

Pixels are pooled over all images of a category, per-region overlap (PRO) is averaged over all defect regions of all images,
and the mean of TPR and TNR is what the paper's Table 2 reports. The figures themselves are defined in `curves`.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from anomaly_lab.metrics import curves, histogram
from anomaly_lab.metrics.curves import auroc, f1
from anomaly_lab.metrics.regions import regions

M = TypeVar("M", bound=Metric)
PENDING = 2**22  # pixels that are counted at once


class _Counted(Metric):
    """The counts of a binary decision, and lists of tensors (n,) that updates add to."""

    tp: Tensor
    fp: Tensor

    full_state_update = False
    update_called = True  # compute() without data is well defined (all None): no warning

    def __init__(self, **lists: torch.dtype) -> None:
        super().__init__()
        self.lists = lists
        for name in lists:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        for name in ("tp", "fp"):
            self.add_state(name, default=torch.tensor(0), dist_reduce_fx="sum")

    def _pool(self, name: str) -> NDArray[Any]:
        """A list state as one array."""
        return torch.cat([torch.empty(0, dtype=self.lists[name]), *(part.cpu() for part in getattr(self, name))]).numpy()


class ImageMetrics(_Counted):
    """image_auroc, image_f1, tpr, tnr and tpr_tnr_mean over images; None where undefined (no such image)."""

    negative: list[Tensor]
    positive: list[Tensor]

    def __init__(self) -> None:
        super().__init__(negative=torch.float32, positive=torch.float32)

    def update(self, score: Tensor, label: int, predicted: int) -> None:
        """Add an image: score (), kept as float32; label and predicted are 1 for anomalous, else 0."""
        scores = self.positive if label else self.negative
        scores.append(score.detach().to(self.device, torch.float32).reshape(1))
        self.tp += int(bool(predicted) and bool(label))
        self.fp += int(bool(predicted) and not label)

    def compute(self) -> dict[str, float | None]:
        """The five figures over all images so far. ValueError for NaN scores."""
        negative, positive = self._pool("negative"), self._pool("positive")
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


class PixelMetrics(_Counted):
    """pixel_auroc, pixel_ap, aupro (FPR ≤ 0.3), pixel_f1 over the pixels of all images; None where undefined.

    Keeps two histograms, of the normal and of the defective pixels' scores, in main memory: at most `bins` entries of 12 and
    2 · `bins` of 20 bytes, and up to `PENDING` pixels that are not in them yet. Up to `bins` distinct scores in each class the
    figures are exact; beyond, `compute` also sets `bound`: how far from exact the first three can be at most (with the default
    about 1e-5 on heatmaps as they are).
    """

    pending: list[Tensor]
    negative: list[Tensor]
    count: list[Tensor]
    positive: list[Tensor]
    found: list[Tensor]
    weight: list[Tensor]
    shift: Tensor
    nan: Tensor

    def __init__(self, bins: int = histogram.BINS) -> None:
        # of normal scores: keys not yet counted; distinct keys and how many there are. Of defective ones: distinct keys, how
        # many there are, and the sum of 1 / area of their regions
        keys, counts = torch.int32, torch.int64
        super().__init__(pending=keys, negative=keys, count=counts, positive=keys, found=counts, weight=torch.float64)
        self.add_state("shift", default=torch.tensor(0), dist_reduce_fx="max")
        self.add_state("nan", default=torch.tensor(0), dist_reduce_fx="sum")
        self.bins, self.bound = bins, 0.0

    def update(self, heatmap: Tensor, truth: Tensor, predicted: Tensor) -> None:
        """Add an image: heatmap (H, W), taken as float32; truth and predicted (H, W), bool.

        An anomalous image without a ground truth must be left out: an empty truth says that all is normal.
        ValueError when the shapes differ or are not (H, W).
        """
        if heatmap.ndim != 2 or not heatmap.shape == truth.shape == predicted.shape:
            shapes = [tuple(x.shape) for x in (heatmap, truth, predicted)]
            raise ValueError(f"heatmap, truth and predicted must share one shape (H, W), not {shapes}")
        scores = heatmap.detach().to("cpu", torch.float32).numpy().ravel()
        if nan := int(np.isnan(scores).sum()):
            self.nan += nan
            return
        keys = histogram.keys(scores)
        defective, marked = (mask.to("cpu", torch.bool).numpy() for mask in (truth, predicted))
        inside = np.flatnonzero(defective)
        self._append(("pending",), np.delete(keys, inside) if inside.size else keys)
        if inside.size:
            label = regions(defective).ravel()
            weight = 1 / np.bincount(label)[label[inside]]
            table = histogram.merged(histogram.coarser(keys[inside], int(self.shift)), np.ones(inside.size, np.int64), weight)
            self._append(("positive", "found", "weight"), *table)
        tp = int((marked & defective).sum())
        self.tp += tp
        self.fp += int(marked.sum()) - tp
        if _length(self.pending) > PENDING or _length(self.positive) > 2 * self.bins:
            self.fold()

    def compute(self) -> dict[str, float | None]:
        """The four figures over all pixels so far. ValueError for NaN in a heatmap."""
        if int(self.nan):
            raise ValueError(f"{int(self.nan)} scores are NaN")
        (negative, count), (positive, found, weight) = self.fold()
        tp, fp, defective = int(self.tp), int(self.fp), int(found.sum())
        figures: dict[str, float | None] = {"pixel_auroc": None, "pixel_ap": None, "aupro": None}
        self.bound = 0.0
        if negative.size and positive.size:
            pixels = curves.turns(negative, count, positive, found)
            overlap = curves.turns(negative, count, positive, weight)
            figures["pixel_auroc"] = curves.auroc_of(pixels)
            figures["pixel_ap"] = curves.average_precision_of(pixels)
            figures["aupro"] = curves.aupro_of(overlap)
            if int(self.shift):  # else the ties are true ones
                bounds = curves.auroc_bound(pixels), curves.average_precision_bound(pixels), curves.aupro_bound(overlap)
                self.bound = max(bounds)
        return figures | {"pixel_f1": f1(tp, fp, defective - tp)}

    def _append(self, names: tuple[str, ...], *columns: NDArray[Any]) -> None:
        for name, column in zip(names, columns, strict=True):
            getattr(self, name).append(torch.from_numpy(column))

    def fold(self) -> tuple[histogram.Columns, histogram.Columns]:
        """Both histograms as one table each, at one shift, and nothing pending."""
        shift, fresh = histogram.counted(self._pool("pending"), int(self.shift), self.bins)
        both = (np.concatenate([self._pool(name), new]) for name, new in zip(("negative", "count"), fresh, strict=True))
        shift, normal = histogram.fitted(shift, self.bins, *both)
        rest = (self._pool("found"), self._pool("weight"))
        shift, defective = histogram.fitted(shift, self.bins, self._pool("positive"), *rest)
        normal = histogram.merged(histogram.coarser(normal[0], shift), normal[1])  # the second may be coarser than the first
        self.shift = torch.full_like(self.shift, shift)  # not in place, which torch forbids across inference modes
        self.pending, self.negative, self.count, self.positive, self.found, self.weight = [], [], [], [], [], []
        self._append(("negative", "count", "positive", "found", "weight"), *normal, *defective)
        return normal, defective


def _length(parts: list[Tensor]) -> int:
    return sum(part.numel() for part in parts)


def pooled(kind: type[M], parts: Iterable[M]) -> M:
    """One metric over what all of `parts` have seen; these stay as they are."""
    total = kind()
    for part in parts:
        total.merge_state(part)
    return total
