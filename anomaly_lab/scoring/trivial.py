"""Trivial references: heatmaps and scores that need no training. A useful network must be better.

Several real test sets are won by one of them: where defects are darker than all else, or where edges are the brightest places
of the map. So their metrics stand beside those of each run.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from anomaly_lab.metrics.pooled import ImageMetrics, PixelMetrics
from anomaly_lab.scoring.errors import squared
from anomaly_lab.scoring.heatmap import resize_heatmap, smooth

MEASURED = ("image_auroc", "pixel_auroc", "pixel_ap", "aupro")  # of each reference, with its name before it


def flat_grey(X: Tensor, mean_color: Tensor, sigma: float) -> Tensor:
    """The squared error of a network that reconstructs one flat colour: (B, 3, h, w) in [0, 1] → (B, h, w).

    `mean_color` (3,): of the preprocessed training images. `sigma`: of the smoothing, in pixels.
    """
    return squared(X, mean_color.view(3, 1, 1).expand_as(X), sigma)


def gradient(X: Tensor, mean_color: Tensor, sigma: float) -> Tensor:
    """|∂X/∂x| + |∂X/∂y| of the grey image, smoothed: how many edges there are. Shapes as in `flat_grey`."""
    grey = X.mean(1)
    across = torch.diff(grey, dim=-1, append=grey[..., -1:])
    return smooth(across.abs() + torch.diff(grey, dim=-2, append=grey[..., -1:, :]).abs(), sigma)


def spread(X: Tensor, mean_color: Tensor, sigma: float) -> Tensor:
    """Local standard deviation of the grey image in a Gaussian window of `sigma` pixels. Shapes as in `flat_grey`."""
    grey = X.mean(1)
    return (smooth(grey.square(), sigma) - smooth(grey, sigma).square()).clamp_min(0).sqrt()


HEATMAPS = {"flat": flat_grey, "gradient": gradient, "spread": spread}


class References:
    """The metrics of `HEATMAPS` on test images, and `brightness_image_auroc`: distance of an image's mean from the training's.

    `mean_color` (R, G, B), `sigma`: as above. `pooling`: from a heatmap to the image's score, the module's own.
    """

    def __init__(self, mean_color: Sequence[float], sigma: float, pooling: Callable[[Tensor], Tensor]) -> None:
        self.mean_color, self.sigma, self.pooling = torch.tensor(mean_color), sigma, pooling
        self.image = {name: ImageMetrics() for name in (*HEATMAPS, "brightness")}
        self.pixel = {name: PixelMetrics() for name in HEATMAPS}

    def update(self, X: Tensor, size: Sequence[int], label: int, truth: Tensor | None) -> None:
        """Add an image: X (3, h, w) in [0, 1], the size (H, W) of heatmaps, its label, and its ground truth (H, W), if any."""
        with torch.inference_mode():
            for name, heatmap_of in HEATMAPS.items():
                heatmap = resize_heatmap(heatmap_of(X[None], self.mean_color, self.sigma)[0], size)
                self.image[name].update(self.pooling(heatmap), label, 0)
                if truth is not None:
                    self.pixel[name].update(heatmap, truth, torch.zeros_like(truth))
            self.image["brightness"].update((X.mean() - self.mean_color.mean()).abs(), label, 0)

    def compute(self) -> dict[str, float | None]:
        """All metrics over the images so far, and the best value of each, trivial_*; None where one is undefined."""
        found = {"brightness_image_auroc": self.image["brightness"].compute()["image_auroc"]}
        for name in HEATMAPS:
            both = self.image[name].compute() | self.pixel[name].compute()
            found |= {f"{name}_{metric}": both[metric] for metric in MEASURED}
        for metric in MEASURED:
            of_all = [value for name, value in found.items() if name.endswith(f"_{metric}") and value is not None]
            found[f"trivial_{metric}"] = max(of_all, default=None)
        return found
