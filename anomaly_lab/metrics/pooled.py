"""The metrics of `curves` over the images and the pixels of a whole test set, as torchmetrics.

Pixels are pooled over all images of a category. The per-region overlap (PRO) is averaged over all defect regions of all images.
The paper's Table 2 reports the mean of TPR and TNR.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from anomaly_lab.metrics import curves, histogram
from anomaly_lab.metrics.regions import components

M = TypeVar("M", bound=Metric)
PENDING = 2**22  # pixels that wait to be counted together


class _Counted(Metric):
    """Counts of a binary decision, and lists of tensors (n,) that `update` appends to."""

    tp: Tensor
    fp: Tensor

    full_state_update = False
    update_called = True  # compute() without data is defined (all None) and needs no warning

    def __init__(self, **lists: torch.dtype) -> None:
        super().__init__()
        self.lists = lists
        for name in lists:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        for name in ("tp", "fp"):
            self.add_state(name, default=torch.tensor(0), dist_reduce_fx="sum")

    def _pool(self, name: str) -> NDArray[Any]:
        """The list `name` as one array."""
        return torch.cat([torch.empty(0, dtype=self.lists[name]), *(part.cpu() for part in getattr(self, name))]).numpy()


class ImageMetrics(_Counted):
    """image_auroc, image_f1, image_f1_max, tpr, tnr and tpr_tnr_mean over images; None if a class has no images."""

    negative: list[Tensor]
    positive: list[Tensor]

    def __init__(self) -> None:
        super().__init__(negative=torch.float32, positive=torch.float32)

    def update(self, score: Tensor, label: int, predicted: int) -> None:
        """Add an image: its score (), stored as float32; `label` and `predicted` are 1 for anomalous, else 0."""
        (self.positive if label else self.negative).append(score.detach().to(self.device, torch.float32).reshape(1))
        self.tp += int(bool(predicted) and bool(label))
        self.fp += int(bool(predicted) and not label)

    def compute(self) -> dict[str, float | None]:
        """The metrics over all images so far. ValueError for NaN scores."""
        negative, positive = self._pool("negative"), self._pool("positive")
        turns = curves.turns_of_scores(negative, positive)
        decisions = curves.decisions(int(self.tp), int(self.fp), positive.size, negative.size)
        auroc, best = (None, None) if turns is None else (curves.auroc(turns), curves.f1_max(turns))
        return {"image_auroc": auroc, **decisions, "image_f1_max": best}


class PixelMetrics(_Counted):
    """pixel_auroc, pixel_ap, aupro (FPR ≤ 0.3), aupro_05 (FPR ≤ 0.05), pixel_f1 and pixel_f1_max over the pixels of all images.

    A metric is None if a class has no pixels.

    The metric keeps two histograms in main memory, of the normal and of the defective pixels' scores: at most `bins` entries of
    12 bytes and 2 · `bins` entries of 20 bytes, and up to `PENDING` pixels that wait to be counted. With at most `bins`
    distinct scores in each class the metrics are exact. With more, they differ from the exact values by at most `pixel_bound`,
    which is about 1e-5 for the default number of bins and real heatmaps.
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
        # of normal scores: the keys that wait to be counted (pending), the distinct keys (negative) and their counts (count);
        # of defective scores: the distinct keys (positive), their counts (found) and their sums of 1 / area (weight)
        keys, counts = torch.int32, torch.int64
        super().__init__(pending=keys, negative=keys, count=counts, positive=keys, found=counts, weight=torch.float64)
        self.add_state("shift", default=torch.tensor(0), dist_reduce_fx="max")
        self.add_state("nan", default=torch.tensor(0), dist_reduce_fx="sum")
        self.bins = bins

    def update(self, heatmap: Tensor, truth: Tensor, predicted: Tensor) -> None:
        """Add an image: heatmap (H, W), used as float32; ground truth and prediction (H, W), bool.

        Leave out anomalous images without a ground truth: an empty ground truth means that all pixels are normal.
        ValueError if the shapes differ or are not (H, W).
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
        self.pending.append(torch.from_numpy(np.delete(keys, inside)))
        if inside.size:
            label, area = components(defective)
            weight = 1 / area[label.ravel()[inside]]
            table = histogram.merged(histogram.coarser(keys[inside], int(self.shift)), np.ones(inside.size, np.int64), weight)
            self._append(("positive", "found", "weight"), *table)
        tp = int((marked & defective).sum())
        self.tp += tp
        self.fp += int(marked.sum()) - tp
        if sum(map(torch.numel, self.pending)) > PENDING or sum(map(torch.numel, self.positive)) > 2 * self.bins:
            self.fold()

    def compute(self) -> dict[str, float | None]:
        """The metrics over all pixels so far, and `pixel_bound`. ValueError for NaN in a heatmap."""
        if int(self.nan):
            raise ValueError(f"{int(self.nan)} scores are NaN")
        (negative, count), (positive, found, weight) = self.fold()
        tp, fp, defective = int(self.tp), int(self.fp), int(found.sum())
        metrics: dict[str, float | None] = dict.fromkeys(("pixel_auroc", "pixel_ap", "aupro", "aupro_05", "pixel_f1_max"))
        bound = 0.0
        if negative.size and positive.size:
            pixels, overlap = (curves.turns(negative, count, positive, column) for column in (found, weight))
            metrics["pixel_auroc"] = curves.auroc(pixels)
            metrics["pixel_ap"] = curves.average_precision(pixels)
            metrics["pixel_f1_max"] = curves.f1_max(pixels)
            metrics["aupro"] = curves.aupro(overlap, curves.AUPRO_LIMIT)
            metrics["aupro_05"] = curves.aupro(overlap, curves.STRICT_LIMIT)
            if int(self.shift):  # without a shift, all ties are true ties
                bounds = curves.auroc_bound(pixels), curves.average_precision_bound(pixels)
                limits = curves.AUPRO_LIMIT, curves.STRICT_LIMIT
                bound = max(*bounds, *(curves.aupro_bound(overlap, limit) for limit in limits))
        return metrics | {"pixel_f1": curves.f1(tp, fp, defective - tp), "pixel_bound": bound}

    def _append(self, names: tuple[str, ...], *columns: NDArray[Any]) -> None:
        for name, column in zip(names, columns, strict=True):
            getattr(self, name).append(torch.from_numpy(column))

    def fold(self) -> tuple[histogram.Columns, histogram.Columns]:
        """Merge each histogram into one table, at a common shift, and count the pending pixels. Returns both tables."""
        shift, fresh = histogram.counted(self._pool("pending"), int(self.shift), self.bins)
        both = (np.concatenate([self._pool(name), new]) for name, new in zip(("negative", "count"), fresh, strict=True))
        shift, normal = histogram.fitted(shift, self.bins, *both)
        shift, defective = histogram.fitted(shift, self.bins, *map(self._pool, ("positive", "found", "weight")))
        normal = histogram.merged(histogram.coarser(normal[0], shift), normal[1])  # the second shift may be larger
        self.shift = torch.full_like(self.shift, shift)  # torch forbids an in-place change of a tensor from inference mode
        self.pending, self.negative, self.count, self.positive, self.found, self.weight = [], [], [], [], [], []
        self._append(("negative", "count", "positive", "found", "weight"), *normal, *defective)
        return normal, defective


def pooled(kind: type[M], parts: Iterable[M]) -> M:
    """One metric over the images of all `parts`, which do not change."""
    total = kind()
    for part in parts:
        total.merge_state(part)
    return total
