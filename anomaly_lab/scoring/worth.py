"""What each map of the evidence is worth: the metrics of the map alone, and of the heatmap without it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from anomaly_lab.metrics.pooled import ImageMetrics, PixelMetrics
from anomaly_lab.scoring.heatmap import resize_heatmap

MEASURED = ("image_auroc", "pixel_ap", "aupro")


class Worth:
    """only_<map>_<metric> and, of three maps or more, without_<map>_<metric>, over test images. None where one is undefined.

    `names`: of the maps. `weights`: theirs in the heatmap. `pooling`: from a heatmap to the image's score, the module's own.
    """

    def __init__(self, names: Sequence[str], weights: Sequence[float], pooling: Callable[[Tensor], Tensor]) -> None:
        self.pooling = pooling
        self.weights = {f"only_{name}": torch.eye(len(names))[k] for k, name in enumerate(names)}
        all_maps = torch.tensor(weights, dtype=torch.float32)
        if len(names) > 2:  # of two maps, the heatmap without one is the other
            self.weights |= {f"without_{name}": all_maps * (1 - torch.eye(len(names))[k]) for k, name in enumerate(names)}
        self.image = {name: ImageMetrics() for name in self.weights}
        self.pixel = {name: PixelMetrics() for name in self.weights}

    def update(self, parts: Tensor, size: Sequence[int], label: int, truth: Tensor | None) -> None:
        """Add an image: the maps in their units (K, h, w), the size (H, W) of heatmaps, its label, and its ground truth."""
        with torch.inference_mode():
            for name, weight in self.weights.items():
                heatmap = resize_heatmap(torch.tensordot(weight / weight.sum(), parts, 1), size)
                self.image[name].update(self.pooling(heatmap), label, 0)
                if truth is not None:
                    self.pixel[name].update(heatmap, truth, torch.zeros_like(truth))

    def compute(self) -> dict[str, float | None]:
        """The metrics over all images so far."""
        both = {name: self.image[name].compute() | self.pixel[name].compute() for name in self.weights}
        return {f"{name}_{metric}": values[metric] for name, values in both.items() for metric in MEASURED}
