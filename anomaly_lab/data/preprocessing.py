"""From a stored image to the network's input: one scale for the category; where wanted, aligned, and its contrast stretched."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from anomaly_lab.data.alignment import aligned
from anomaly_lab.data.images import resize, to_unit

STRIDE = 8  # pixels: the network shrinks its input so many times; from a shorter side nothing would be left
CONTRASTS = ("none", "category", "image")
RESCALE = "training"  # the value of `rescale` that brings each image to the training's size


@dataclass(frozen=True)
class Preprocessing:
    """Resize by `scale`, the same for both sides; turn a part, if `align`, see `alignment`; then stretch, x ↦ clip(½ +
    spread·(x − mean)/std, 0, 1) for x in [0, 1].

    - `contrast`: "none": no stretch. "category": `mean` and `std` are those of the normal training images. "image": each
      image's own are used instead, for illumination that differs from image to image. ValueError for any other.
    - `spread`: the standard deviation after the stretch. At 0.14, ±3.6 standard deviations fit into [0, 1]: a black hole or a
      glare differs from everything normal, and is not clipped.

    - `rescale`: how new images come to the training's resolution, first of all. A number: how many of their pixels make one
      pixel of the training images; 1 for the same camera. "training": each image's longer side becomes `longest`.
    - `longest`: the longer side in pixels of the median training image as stored.

    A checkpoint stores these fields, so that new images are prepared like the training images.
    """

    scale: float = 1.0
    contrast: str = "none"
    mean: float = 0.5
    std: float = 0.14
    spread: float = 0.14
    rescale: float | str = 1.0
    longest: int = 0
    align: bool = False

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise ValueError(f"contrast must be one of {', '.join(CONTRASTS)}, got {self.contrast!r}")

    def at_training_resolution(self, stored: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of a stored image → (H, W) after `rescale`. Heatmaps and masks have this size."""
        if self.rescale == 1:
            return stored
        factor = self.longest / max(stored) if self.rescale == RESCALE else 1 / float(self.rescale)
        return max(1, round(stored[0] * factor)), max(1, round(stored[1] * factor))

    def size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of a stored image → (h, w) at the working scale, no side below `STRIDE`."""
        height, width = self.at_training_resolution(stored)
        return max(STRIDE, round(height * self.scale)), max(STRIDE, round(width * self.scale))

    @property
    def unaligned(self) -> "Preprocessing":
        """The same without alignment, for what judges images as they lie: trivial references, masks."""
        return replace(self, align=False)

    def fitted(self, image: np.ndarray) -> tuple[np.ndarray, Tensor | None]:
        """(H, W, C) uint8 or uint16 → (h, w, C) of the same type at the working scale, and the way to it, see `alignment.way`;
        None if nothing is aligned."""
        small = resize(image, self.size(image.shape[:2]))
        return aligned(small) if self.align else (small, None)

    def levels(self, image: np.ndarray) -> tuple[float, float]:
        """(mean, std) in [0, 1] for the stretch of `image`, (h, w, C) uint8 or uint16 at any scale."""
        if self.contrast == "image":
            means, stds = (part / np.iinfo(image.dtype).max for part in cv2.meanStdDev(image))  # without a copy as floats
            return float(means.mean()), max(float(np.sqrt(np.mean(stds**2) + means.var())), 1e-3)
        return self.mean, self.std

    def unit(self, image: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
        """(h, w, C) uint8 or uint16 at the working scale → (h, w, 3) float32 in [0, 1]. A crop has its image's `levels`."""
        values = to_unit(image)
        if self.contrast == "none":
            return values
        return np.clip(0.5 + self.spread / levels[1] * (values - levels[0]), 0, 1, dtype=np.float32)

    @property
    def light(self) -> tuple[float, float]:
        """(a, b): a stored value in [0, 1] is a + b · prepared value; (0, 1) with contrast "image", where each has its own."""
        if self.contrast != "category":
            return 0.0, 1.0
        return self.mean - 0.5 * self.std / self.spread, self.std / self.spread

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """A stored image, (H, W, C) uint8 or uint16 → the network's input, (h, w, 3) float32 in [0, 1]."""
        small, _ = self.fitted(image)
        return self.unit(small, self.levels(small))


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, C) array → contiguous (C, H, W) tensor of the same type."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
