"""What happens inside a corrupted patch: small classes with one method, (image, box, rng) → patch (section 3.2)."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.random import Generator

Box = tuple[slice, slice]  # rows, columns
Range = tuple[float, float]


def noise_field(shape: tuple[int, int], scale: float, rng: Generator, channels: int = 1) -> np.ndarray:
    """Smooth Gaussian noise of about unit standard deviation, (H, W, channels) float32, correlated over `scale` pixels.

    Drawn on a grid of that spacing and enlarged by bicubic interpolation: the cost does not grow with `scale`, as
    that of a Gaussian filter does.
    """
    height, width = shape
    grid = (int(np.ceil(height / scale)) + 3, int(np.ceil(width / scale)) + 3, channels)
    coarse = rng.standard_normal(grid, dtype=np.float32)
    full = cv2.resize(coarse, (round(grid[1] * scale), round(grid[0] * scale)), interpolation=cv2.INTER_CUBIC)
    top, left = int(rng.integers(0, max(1, round(scale)))), int(rng.integers(0, max(1, round(scale))))
    # between unit-variance knots bicubic interpolation has a standard deviation of about .83
    return full.reshape(*full.shape[:2], channels)[top : top + height, left : left + width] / 0.83


class Content(Protocol):
    """What happens inside a patch: `image` is X, float32 (H, W, 3) in [0, 1]; returns the new content of `box`."""

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray: ...


@dataclass
class Elastic:
    """Elastic deformation, the paper's choice: pixels move by a smooth random field, so colours stay what they were.

    `amplitude`: range of the displacement's standard deviation, pixels. `smoothness`: range of the length over which
    it changes, pixels. Both relative to nothing: defects come in the texture's own scale, not in the crop's.
    """

    amplitude: Range = (2.0, 8.0)
    smoothness: Range = (4.0, 16.0)

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        patch = image[box]
        height, width = patch.shape[:2]
        field = rng.uniform(*self.amplitude) * noise_field((height, width), rng.uniform(*self.smoothness), rng, 2)
        return cv2.remap(
            np.ascontiguousarray(patch),
            np.arange(width, dtype=np.float32) + field[..., 0],
            np.arange(height, dtype=np.float32)[:, None] + field[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,  # the default, black, would mark the patch's border
        )


@dataclass
class Cutout:
    """Cut-out: the patch set to one grey level; the paper's Figure 6 sets it to zero ("BLACK")."""

    fill: float = 0.0

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        return np.full_like(image[box], self.fill)


@dataclass
class Swap:
    """Patch swapping: the content of another place of the same image, turned by a random multiple of 180° or mirrored."""

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        height, width = image[box].shape[:2]
        top = int(rng.integers(0, image.shape[0] - height + 1))
        left = int(rng.integers(0, image.shape[1] - width + 1))
        patch = image[top : top + height, left : left + width]
        return patch[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))].copy()


@dataclass
class Texture:
    """A foreign texture (smooth coloured noise, stretched in one direction) blended in with a random opacity."""

    scale: Range = (2.0, 12.0)
    opacity: Range = (0.3, 1.0)

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        patch = image[box]
        height, width = patch.shape[:2]
        stretch = rng.uniform(1, 4)  # isotropic to four times longer than wide
        shape = (height, int(np.ceil(width / stretch)))
        noise = noise_field(shape, rng.uniform(*self.scale), rng)
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
        colour = rng.uniform(0, 1, 3).astype(np.float32)  # real defects may be black or glaring
        if (patch == patch[..., :1]).all():
            colour[:] = colour[0]  # a grey camera sees no colour: one would give the patch away
        foreign = np.clip(colour + np.float32(rng.uniform(0.05, 0.25)) * noise, 0, 1)
        opacity = np.float32(rng.uniform(*self.opacity))
        return (1 - opacity) * patch + opacity * foreign


@dataclass
class Blur:
    """The patch out of focus: its fine structure is lost, its mean colour kept."""

    sigma: Range = (1.5, 5.0)  # pixels

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        return cv2.GaussianBlur(image[box], (0, 0), rng.uniform(*self.sigma), borderType=cv2.BORDER_REFLECT_101)
