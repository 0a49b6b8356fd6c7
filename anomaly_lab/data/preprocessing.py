"""From a stored image to what the network sees: one scale for the whole category, and optionally a stretched contrast.

It is a record of primitive values, kept in the checkpoint: prediction prepares new images as training did.
"""

from dataclasses import dataclass

import numpy as np
import torch

from anomaly_lab.data.images import resize, to_unit

STRIDE = 8  # a side shorter than this leaves nothing in the bottleneck


@dataclass(frozen=True)
class Preprocessing:
    """Resize by `scale` (the aspect ratio stays), then x ↦ clip(½ + spread·(x − mean)/std, 0, 1) unless `contrast` is none.

    `contrast`: "none"; "category": `mean` and `std` of the normal training images; "image": those of each image itself,
    against illumination that differs from image to image. `spread`: the standard deviation that comes out; at 0.14, ±3.6 of
    them fit into [0, 1], so that a black hole or a glare still lies beyond what is normal, and inside the range.
    """

    scale: float = 1.0
    contrast: str = "none"
    mean: float = 0.5
    std: float = 0.14
    spread: float = 0.14

    def __post_init__(self) -> None:
        if self.contrast not in ("none", "category", "image"):
            raise ValueError(f"contrast must be none, category or image, got {self.contrast!r}")

    def size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of a stored image → (h, w) at the working scale."""
        return max(STRIDE, round(stored[0] * self.scale)), max(STRIDE, round(stored[1] * self.scale))

    def resized(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) → (h, w, C) at the working scale, same type."""
        return resize(image, self.size(image.shape[:2]))

    def levels(self, image: np.ndarray) -> tuple[float, float]:
        """The mean and the standard deviation that `image` (any scale) is stretched with."""
        if self.contrast == "image":
            values = to_unit(image)
            return float(values.mean()), max(float(values.std()), 1e-3)
        return self.mean, self.std

    def unit(self, image: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
        """(h, w, C) uint8 or uint16, resized before → float32 (h, w, 3) in [0, 1]. `levels` are those of the whole image."""
        values = to_unit(image)
        if self.contrast == "none":
            return values
        mean, std = levels
        return np.clip(0.5 + self.spread / std * (values - mean), 0, 1, dtype=np.float32)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) as stored → float32 (h, w, 3) in [0, 1], ready for the network."""
        small = self.resized(image)
        return self.unit(small, self.levels(small))


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, C) array → contiguous (C, H, W) tensor of the same type."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
