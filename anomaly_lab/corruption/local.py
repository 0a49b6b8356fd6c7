"""Section 3.2: make the training pair's input X̂, and the mask M of the change, from a normal image X.

The steps of one patch: sample its size, place and shape, transform its content, paste it, and add the shape to the mask M. The
corruption is one albumentations transform, so it composes with others. A new kind of corruption is one more `Content`.
"""

import math
from collections.abc import Sequence
from typing import Any

import albumentations as A
import cv2
import numpy as np
from numpy.random import Generator

from anomaly_lab.corruption.contents import Box, Content, Range
from anomaly_lab.corruption.shapes import SHAPES

MIN_PATCH = 4  # pixels: a deformation cannot move anything in a smaller patch
MIN_CHANGE = 2 / 255  # a weaker "corruption" would teach the network to change normal images


class LocalCorruption(A.DualTransform):
    """`transform(image=X, mask=zeros)` gives X̂ and M. X is float32 (H, W, 3) in [0, 1].

    The mask is (H, W) or (H, W, 1) of any numeric type: corrupted pixels become 1, other pixels keep their value. Guarantees:
    X̂ = X exactly where M = 0; at least one pixel of X̂ differs from X by 2 grey levels, so ‖X̂−X‖₁ > 0; X̂ is in [0, 1].

    - `contents` and `shapes` (names from `SHAPES`): each patch draws one of each.
    - `count`, `size`: ranges of the number of patches, inclusive, and of their sides, as fractions of the image's sides.
    - `brightness`: range of a shift of a patch's brightness, in [0, 1]; a fraction `brightness_share` of the patches has one.
    - `p`: probability that an image is corrupted at all.

    ValueError for an unknown shape, an empty list, or a range that is not a pair (low, high).
    """

    def __init__(
        self,
        contents: Sequence[Content],
        count: tuple[int, int],
        size: Range,
        shapes: Sequence[str],
        brightness: Range,
        brightness_share: float,
        p: float,
    ) -> None:
        super().__init__(p=p)
        if unknown := set(shapes) - set(SHAPES):
            raise ValueError(f"shapes has {', '.join(sorted(unknown))}: choose from {', '.join(sorted(SHAPES))}")
        if not contents or not shapes:
            raise ValueError(f"{'shapes' if contents else 'contents'} is empty: a corruption needs at least one")
        limits = {"count": (count, 1, math.inf), "size": (size, 1e-3, 1), "brightness": (brightness, 0, 1)}
        for name, (pair, least, most) in limits.items():
            numbers = isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(x, int | float) for x in pair)
            if not numbers or not least <= pair[0] <= pair[1] <= most:
                raise ValueError(f"{name} is {pair}: it must be a pair [low, high] with {least:g} ≤ low ≤ high ≤ {most:g}")
        self.contents, self.shapes, self.count, self.size = list(contents), list(shapes), count, size
        self.brightness, self.brightness_share = brightness, brightness_share

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """X̂ and M, made together here because `apply` and `apply_to_mask` need the same draw."""
        X, rng = data["image"], self.random_generator
        X_hat, M = X.copy(), np.zeros(X.shape[:2], bool)
        for _ in range(int(rng.integers(self.count[0], self.count[1] + 1))):
            box, shape = self.sample_patch(X.shape[:2], rng)
            patch = self.contents[int(rng.integers(len(self.contents)))](X, box, rng)
            if rng.random() < self.brightness_share:
                patch = patch + np.float32(rng.choice((-1, 1)) * rng.uniform(*self.brightness))
            patch = np.clip(patch, 0, 1, dtype=np.float32)  # always: a blurred white is 1.0000001
            pixels = shape.view(np.uint8)  # OpenCV's masked functions are many times faster than NumPy's
            if cv2.norm(patch, X[box], cv2.NORM_INF, pixels) < MIN_CHANGE:  # a flat patch does not change when it is moved
                sign = np.where(X[box] < 0.5, 1, -1).astype(np.float32)
                low, high = max(self.brightness[0], 2 * MIN_CHANGE), max(self.brightness[1], 4 * MIN_CHANGE)
                patch = np.clip(X[box] + sign * np.float32(rng.uniform(low, high)), 0, 1)
            cv2.copyTo(patch, pixels, X_hat[box])
            M[box] |= shape
        return {"X_hat": X_hat, "M": M}

    def sample_patch(self, image: tuple[int, int], rng: Generator) -> tuple[Box, np.ndarray]:
        """A patch in an image of `image` = (H, W): its box (rows, columns), and its shape mask of the box's size, bool."""
        height, width = (min(side, max(MIN_PATCH, round(float(rng.uniform(*self.size)) * side))) for side in image)
        top, left = int(rng.integers(0, image[0] - height + 1)), int(rng.integers(0, image[1] - width + 1))
        shape = SHAPES[self.shapes[int(rng.integers(len(self.shapes)))]]((height, width), rng)
        return (slice(top, top + height), slice(left, left + width)), shape

    def apply(self, img: np.ndarray, X_hat: np.ndarray, **params: Any) -> np.ndarray:
        """X̂ in place of X."""
        return X_hat

    def apply_to_mask(self, mask: np.ndarray, M: np.ndarray, **params: Any) -> np.ndarray:
        """`mask` with 1 where M is true."""
        return np.where(M.reshape(mask.shape), np.ones((), mask.dtype), mask)
