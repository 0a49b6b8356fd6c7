"""The pixel threshold: a value of the heatmap that only a stated share of the pixels of normal images exceeds.

The run's threshold decides about images: it follows from each normal image's highest values, and a mask shows where a defective
image exceeds it. The pixel threshold is lower. It answers another question: which pixels are unusual, whatever the image is?
"""

import numpy as np
from numpy.typing import NDArray

RATE = 1e-3  # share of the pixels of normal images above it: at 512², 262 pixels an image


class PixelThreshold:
    """The lowest value that at most `RATE` of the pixels of n normal images exceed, averaged over the images.

    Of each image only values are kept that can matter: at most n · RATE of them.
    """

    def __init__(self, images: int) -> None:
        self.images, self.highest = images, list[tuple[NDArray[np.float32], int]]()

    def update(self, heatmap: NDArray[np.float32]) -> None:
        """Add the heatmap (H, W) of a normal image."""
        values = heatmap.ravel()
        kept = min(values.size, int(self.images * RATE * values.size) + 1)
        self.highest.append((np.partition(values, values.size - kept)[values.size - kept :], values.size))

    def compute(self) -> float:
        """The threshold. ValueError without images."""
        if not self.highest:
            raise ValueError("there is no normal image: there is nothing to calibrate on")
        values = np.concatenate([values for values, _ in self.highest])
        share = np.concatenate([np.full(values.size, 1 / size) for values, size in self.highest]) / len(self.highest)
        order = np.argsort(-values, kind="stable")
        return float(values[order][int(np.searchsorted(np.cumsum(share[order]), RATE * (1 + 1e-9), side="right"))])


class PixelRates:
    """pixel_fpr and pixel_tpr at a threshold: the shares of the pixels of normal images and of defective pixels above it.

    Averaged over all pixels; None where there are no such pixels.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold, self.above, self.all = threshold, [0, 0], [0, 0]

    def update(self, heatmap: NDArray[np.float32], label: int, truth: NDArray[np.bool_]) -> None:
        """Add the heatmap (H, W) of a test image, 1 for a defective one, and its ground truth."""
        values = heatmap[truth] if label else heatmap
        self.above[label] += int((values > self.threshold).sum())
        self.all[label] += values.size

    def compute(self) -> dict[str, float | None]:
        """Both shares over all images so far."""
        shares = [above / count if count else None for above, count in zip(self.above, self.all, strict=True)]
        return dict(zip(("pixel_fpr", "pixel_tpr"), shares, strict=True))
