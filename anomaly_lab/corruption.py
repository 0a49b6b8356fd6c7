"""Section 3.2: from a normal image X make the training pair's input X̂ and the mask M of what was changed.

Sample size and location of a patch → transform its content → sample a shape mask → embed it as the global mask M → paste.
The whole is one albumentations transform, so it composes with any other: `transform(image=X, mask=zeros)` gives X̂ and M.
Contents are small classes with one method `(image, box, rng) → patch`; a new kind of corruption is one more of them.
"""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import asks the network for a newer version

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import albumentations as A
import cv2
import numpy as np
from numpy.random import Generator

Box = tuple[slice, slice]  # rows, columns
Range = tuple[float, float]

MIN_PATCH = 4  # pixels: in anything smaller a deformation has nothing to move
MIN_CHANGE = 2 / 255  # below two grey levels a "corruption" would teach the network to alter normal images


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


def blob(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """A smooth closed curve through random radii (low Fourier modes), filled: (H, W) bool."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones_like(angle)
    for mode in range(1, 6):
        radius += rng.normal(0, 0.25 / mode) * np.cos(mode * angle + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.2, None) / radius.max()
    return _polygon(size, radius * np.cos(angle), radius * np.sin(angle))


def ellipse(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """The ellipse that touches all four sides of the patch: (H, W) bool."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return _polygon(size, np.cos(angle), np.sin(angle))


def rectangle(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """The whole patch: (H, W) bool."""
    return np.ones(size, bool)


def stroke(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """A thin curved line across the patch, as of a scratch or a thread: (H, W) bool."""
    height, width = size
    ends = rng.uniform(0, 1, (3, 2)) * (width - 1, height - 1)
    t = np.linspace(0, 1, 32)[:, None]
    curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]  # quadratic Bézier
    thickness = int(rng.integers(1, 2 + max(1, min(size) // 16)))
    canvas = np.zeros(size, np.uint8)
    cv2.polylines(canvas, [np.round(curve).astype(np.int32)], False, 1, thickness)
    return canvas > 0


def _polygon(size: tuple[int, int], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fill the polygon with corners (x, y) in [−1, 1]², scaled to the patch."""
    half = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    corners = np.round(np.stack([x, y], 1) * half + half).astype(np.int32)
    return cv2.fillPoly(np.zeros(size, np.uint8), [corners], 1) > 0


SHAPES = {"blob": blob, "ellipse": ellipse, "rectangle": rectangle, "stroke": stroke}


def require_ranges(**given: tuple[Any, float, float]) -> None:
    """`name`: (what should be a pair (low, high), its least, its most). ValueError for the first that isn't one."""
    for name, (pair, least, most) in given.items():
        numbers = isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(x, int | float) for x in pair)
        if not numbers or not least <= pair[0] <= pair[1] <= most:
            raise ValueError(f"{name} {pair} must be a pair, [low, high], with {least:g} ≤ low ≤ high ≤ {most:g}")


class LocalCorruption(A.DualTransform):
    """X → X̂ and M. As an albumentations transform: `image` is X, float32 (H, W, 3) in [0, 1]; `mask` is (H, W) or (H, W, 1)
    of any numeric type, of which the corrupted pixels become 1 and the others stay as they were (pass zeros).

    Guarantees: X̂ = X wherever M = 0, exactly; some pixel of X̂ differs from X by 2 grey levels or more, so ‖X̂−X‖₁ > 0;
    X̂ lies in [0, 1].

    - `contents`: what may happen inside a patch; one is drawn a patch.
    - `count`: range of the number of patches, inclusive. `size`: range of their sides relative to the image's.
    - `shapes`: names out of `SHAPES`; one is drawn a patch.
    - `brightness`: range of the shift of a patch's brightness, in either direction; `brightness_share`: in what share of them.
    """

    def __init__(
        self,
        contents: Sequence[Content],
        count: tuple[int, int] = (1, 3),
        size: Range = (0.1, 0.5),
        shapes: Sequence[str] = ("blob", "ellipse", "rectangle"),
        brightness: Range = (0.05, 0.25),
        brightness_share: float = 0.5,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        if unknown := set(shapes) - set(SHAPES):
            raise ValueError(f"unknown shapes {sorted(unknown)}: there are {sorted(SHAPES)}")
        if not contents or not shapes:
            raise ValueError("a corruption needs at least one content and one shape")
        require_ranges(count=(count, 1, math.inf), size=(size, 1e-3, 1), brightness=(brightness, 0, 1))
        self.contents, self.shapes = list(contents), list(shapes)
        self.count, self.size = count, size
        self.brightness, self.brightness_share = brightness, brightness_share

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Make X̂ and M here, since both targets need the same draw."""
        X, rng = data["image"], self.random_generator
        X_hat, M = X.copy(), np.zeros(X.shape[:2], bool)
        for _ in range(int(rng.integers(self.count[0], self.count[1] + 1))):
            box, shape = self._patch(X.shape[:2], rng)
            patch = self.contents[int(rng.integers(len(self.contents)))](X, box, rng)
            if rng.random() < self.brightness_share:
                patch = patch + np.float32(rng.choice((-1, 1)) * rng.uniform(*self.brightness))
            patch = np.clip(patch, 0, 1, dtype=np.float32)  # always: a blurred white is 1.0000001
            pixels = shape.view(np.uint8)  # OpenCV's masks, many times faster than NumPy's
            if cv2.norm(patch, X[box], cv2.NORM_INF, pixels) < MIN_CHANGE:  # flat content moved about is the same content
                sign = np.where(X[box] < 0.5, 1, -1).astype(np.float32)
                low, high = max(self.brightness[0], 2 * MIN_CHANGE), max(self.brightness[1], 4 * MIN_CHANGE)
                patch = np.clip(X[box] + sign * np.float32(rng.uniform(low, high)), 0, 1)
            cv2.copyTo(patch, pixels, X_hat[box])
            M[box] |= shape
        return {"X_hat": X_hat, "M": M}

    def _patch(self, image: tuple[int, int], rng: Generator) -> tuple[Box, np.ndarray]:
        """Size, location and shape mask of a patch."""
        height, width = (min(side, max(MIN_PATCH, round(float(rng.uniform(*self.size)) * side))) for side in image)
        top, left = int(rng.integers(0, image[0] - height + 1)), int(rng.integers(0, image[1] - width + 1))
        shape = SHAPES[self.shapes[int(rng.integers(len(self.shapes)))]]((height, width), rng)
        return (slice(top, top + height), slice(left, left + width)), shape

    def apply(self, img: np.ndarray, X_hat: np.ndarray, **params: Any) -> np.ndarray:
        return X_hat

    def apply_to_mask(self, mask: np.ndarray, M: np.ndarray, **params: Any) -> np.ndarray:
        return np.where(M.reshape(mask.shape), np.ones((), mask.dtype), mask)
