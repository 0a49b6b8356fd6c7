"""Contents of a corrupted patch (section 3.2): small classes that are called with (image, box, rng) and return the patch."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

Box = tuple[slice, slice]  # rows, columns
Range = tuple[float, float]
Content = Callable[[np.ndarray, Box, Generator], np.ndarray]  # X, float32 (H, W, 3), and a box → patch (h, w, 3), ~[0, 1]


def noise_field(shape: tuple[int, int], scale: float, rng: Generator, channels: int = 1) -> np.ndarray:
    """Smooth Gaussian noise (H, W, channels), float32, standard deviation about 1, correlation length `scale` pixels.

    It is drawn on a grid with a spacing of `scale` and enlarged: a Gaussian filter's cost would grow with `scale`.
    """
    height, width = shape
    grid = (int(np.ceil(height / scale)) + 3, int(np.ceil(width / scale)) + 3, channels)
    coarse = rng.standard_normal(grid, dtype=np.float32)
    full = cv2.resize(coarse, (round(grid[1] * scale), round(grid[0] * scale)), interpolation=cv2.INTER_CUBIC)
    top, left = (int(rng.integers(0, max(1, round(scale)))) for _ in range(2))
    # bicubic interpolation between knots of unit variance has a standard deviation of about .83
    return full.reshape(*full.shape[:2], channels)[top : top + height, left : left + width] / 0.83


@dataclass
class Elastic:
    """Elastic deformation, the paper's choice: a smooth random field moves the pixels, and colours are kept.

    `amplitude` and `smoothness`: ranges of the displacement's standard deviation and correlation length, in pixels. Both are
    absolute, because the size of defects follows the texture and not the crop.
    """

    amplitude: Range
    smoothness: Range

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        patch = image[box]
        height, width = patch.shape[:2]
        field = rng.uniform(*self.amplitude) * noise_field((height, width), rng.uniform(*self.smoothness), rng, 2)
        x = np.arange(width, dtype=np.float32) + field[..., 0]
        y = np.arange(height, dtype=np.float32)[:, None] + field[..., 1]
        # a reflection: OpenCV's default, black, would mark the patch's border
        return cv2.remap(np.ascontiguousarray(patch), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


@dataclass
class Cutout:
    """Cut-out: the patch becomes one grey level, `fill` in [0, 1]. The paper's Figure 6 uses zero ("BLACK")."""

    fill: float

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        return np.full_like(image[box], self.fill)


@dataclass
class Swap:
    """Patch swapping: the content of another place of the same image, turned by 180° or mirrored at random."""

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        height, width = image[box].shape[:2]
        top = int(rng.integers(0, image.shape[0] - height + 1))
        left = int(rng.integers(0, image.shape[1] - width + 1))
        patch = image[top : top + height, left : left + width]
        return patch[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))].copy()


@dataclass
class Texture:
    """A foreign texture, blended in with a random opacity: smooth coloured noise, stretched in one direction.

    `scale`: range of the noise's correlation length, in pixels. `opacity`: range of the texture's weight, in [0, 1].
    """

    scale: Range
    opacity: Range

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        patch = image[box]
        height, width = patch.shape[:2]
        stretch = rng.uniform(1, 4)  # from isotropic to four times as long as wide
        noise = noise_field((height, int(np.ceil(width / stretch))), rng.uniform(*self.scale), rng)
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
        colour = rng.uniform(0, 1, 3).astype(np.float32)  # real defects may be black or glaring
        if (patch == patch[..., :1]).all():
            colour[:] = colour[0]  # in a grey image a colour would reveal the patch
        foreign = np.clip(colour + np.float32(rng.uniform(0.05, 0.25)) * noise, 0, 1)
        opacity = np.float32(rng.uniform(*self.opacity))
        return (1 - opacity) * patch + opacity * foreign


@dataclass
class Blur:
    """The patch out of focus, with its mean colour. `sigma`: range of the Gaussian's standard deviation, in pixels."""

    sigma: Range

    def __call__(self, image: np.ndarray, box: Box, rng: Generator) -> np.ndarray:
        return cv2.GaussianBlur(image[box], (0, 0), rng.uniform(*self.sigma), borderType=cv2.BORDER_REFLECT_101)
