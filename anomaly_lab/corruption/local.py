"""Section 3.2: from a normal image X make the training pair's input X̂ and the mask M of what was changed.

Sample size and location of a patch → transform its content → sample a shape mask → embed it as the global mask M → paste.
The whole is one albumentations transform, so it composes with any other: `transform(image=X, mask=zeros)` gives X̂ and M.
Contents are small classes with one method `(image, box, rng) → patch`; a new kind of corruption is one more of them.
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

MIN_PATCH = 4  # pixels: in anything smaller a deformation has nothing to move
MIN_CHANGE = 2 / 255  # below two grey levels a "corruption" would teach the network to alter normal images


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
