"""AUPIMO (Bertoldo et al., BMVC 2024): the part of each image's defects that is found where false alarms are very rare.

Thresholds are shared by all images and follow from the normal ones alone: F(t) is the share of pixels ≥ t, averaged over normal
test images. An image's value is the mean of its recall over F from `LOW` to `HIGH`, on a logarithmic scale:

    1 / log(HIGH/LOW) · ∫ recall(t(F)) d log F
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = 1e-5, 1e-4  # of all pixels of normal images: at 512², 3 and 26 pixels an image
KEPT = 0.05  # share of a normal image's pixels whose values are kept; none of the others can matter below 500 normal images


class Aupimo:
    """aupimo: the mean over defective images, in [0, 1]. None without normal images, or without masks.

    Exact: between the values of normal pixels, nothing changes but the recall.
    """

    def __init__(self) -> None:
        self.normal: list[NDArray[np.float32]] = []  # the highest values of each normal image, in rising order
        self.pixels: list[int] = []  # its number of pixels
        self.defects: list[NDArray[np.float32]] = []  # the values of each defective image's defective pixels, in rising order

    def update(self, scored: Any, mask: NDArray[np.bool_]) -> None:
        """Add a scored test image."""
        heatmap, truth = scored.heatmap.ravel(), scored.truth
        if scored.sample.label == 0:
            first = heatmap.size - max(1, round(KEPT * heatmap.size))
            self.normal.append(np.sort(np.partition(heatmap, first)[first:]))
            self.pixels.append(heatmap.size)
        elif truth is not None and truth.any():
            self.defects.append(np.sort(heatmap[truth.ravel()]))

    def compute(self) -> dict[str, float | None]:
        """The metric over all images so far."""
        per_image = self.per_image()
        return {"aupimo": None if per_image is None else float(per_image.mean())}

    def per_image(self) -> NDArray[np.float64] | None:
        """The value of each defective image, (n,), in the order of `update`; None if undefined."""
        if not self.normal or not self.defects:
            return None
        threshold, rate = self._thresholds()
        edges = np.clip(np.append(rate, np.inf), LOW, HIGH)  # the rate stays the same from one threshold to the next
        width = np.diff(np.log(edges))
        found = [1 - np.searchsorted(d, threshold, side="left") / d.size for d in self.defects]
        return np.array(found) @ width / np.log(HIGH / LOW)

    def _thresholds(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Thresholds in falling order, and F(t) of each: the lowest for each rate, after one above all values, of rate 0."""
        weight = np.concatenate([np.full(v.size, 1 / pixels) for v, pixels in zip(self.normal, self.pixels, strict=True)])
        values = np.concatenate(self.normal)
        order = np.argsort(-values, kind="stable")
        values, rate = values[order], np.cumsum(weight[order]) / len(self.normal)
        last = np.append(values[1:] != values[:-1], True)  # of each group of equal values
        above = np.nextafter(values[:1], np.float32(np.inf))
        return np.concatenate([above, values[last]]), np.concatenate([[0.0], rate[last]])
