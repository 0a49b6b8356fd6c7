"""CutPaste's two corruptions of a normal image (Li, Sohn, Yoon, Pfister, CVPR 2021): a patch, or a scar, pasted elsewhere.

Images are float32 (H, W, 3) in [0, 1]; the result has the same shape. Ranges are the paper's, section 3.
"""

import cv2
import numpy as np
from numpy.random import Generator

AREA = (0.02, 0.15)  # of a patch, as a share of the image's
ASPECT = 3.3  # largest ratio of a patch's sides
SCAR_WIDTH, SCAR_LENGTH = (2, 16), (10, 25)  # pixels
SCAR_ANGLE = 45  # degrees by which a scar is turned at most to either side
JITTER = 0.1  # largest change of brightness and contrast, as shares


def cut_paste(X: np.ndarray, rng: Generator) -> np.ndarray:
    """A copy of X with a rectangle of it at another place, jittered."""
    height, width = X.shape[:2]
    area, aspect = rng.uniform(*AREA) * height * width, ASPECT ** rng.uniform(-1, 1)
    sides = (round(np.sqrt(area / aspect)), round(np.sqrt(area * aspect)))
    rows, columns = (int(np.clip(side, 1, limit)) for side, limit in zip(sides, (height, width), strict=True))
    patch = _jittered(_cut(X, rows, columns, rng), rng)
    return _pasted(X, patch, np.ones((rows, columns), bool), rng)


def scar(X: np.ndarray, rng: Generator) -> np.ndarray:
    """A copy of X with a long thin rectangle of it, turned and jittered, at another place."""
    height, width = X.shape[:2]
    sides = rng.uniform(*SCAR_LENGTH), rng.uniform(*SCAR_WIDTH)
    rows, columns = (int(np.clip(round(side), 1, limit)) for side, limit in zip(sides, (height, width), strict=True))
    patch = _jittered(_cut(X, rows, columns, rng), rng)
    side = int(np.ceil(np.hypot(rows, columns)))
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.uniform(-SCAR_ANGLE, SCAR_ANGLE), 1)
    matrix[:, 2] = matrix[:, 2] + (side - np.array([columns, rows])) / 2
    turned = cv2.warpAffine(patch, matrix, (side, side))
    inside = cv2.warpAffine(np.ones((rows, columns), np.float32), matrix, (side, side)) > 0.99
    turned, inside = turned[:height, :width], inside[:height, :width]
    return _pasted(X, turned, inside, rng)


def _cut(X: np.ndarray, rows: int, columns: int, rng: Generator) -> np.ndarray:
    top, left = (int(rng.integers(0, limit - side + 1)) for limit, side in zip(X.shape, (rows, columns), strict=False))
    return X[top : top + rows, left : left + columns].copy()


def _jittered(patch: np.ndarray, rng: Generator) -> np.ndarray:
    """Brightness and contrast changed, each by up to `JITTER`."""
    brightness, contrast = rng.uniform(1 - JITTER, 1 + JITTER, 2)
    mean = patch.mean()
    return np.clip(brightness * (mean + contrast * (patch - mean)), 0, 1, dtype=np.float32)


def _pasted(X: np.ndarray, patch: np.ndarray, inside: np.ndarray, rng: Generator) -> np.ndarray:
    """A copy of X with the patch (h, w, 3) where `inside` (h, w) is True, at a random place."""
    Y, (rows, columns) = X.copy(), patch.shape[:2]
    top, left = (int(rng.integers(0, limit - side + 1)) for limit, side in zip(X.shape, (rows, columns), strict=False))
    Y[top : top + rows, left : left + columns][inside] = patch[inside]
    return Y
