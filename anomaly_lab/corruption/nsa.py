"""NSA's natural synthetic anomalies: patches of other normal images, resized and blended by Poisson's equation.

Schlüter, Tan, Hou, Kainz, "Natural synthetic anomalies for self-supervised anomaly detection and localization", ECCV 2022. One
to four patches, each after the first with probability ½. The half side of a patch is (0.03 + Gamma(2, 0.05)) of the image's, at
most 0.4. A patch is resized by N(1, 0.5), clipped to [0.5, 2]. The label of a pixel is a logistic function of its change |Δ| in
grey levels of 0 to 255, after a median filter of 5 × 5: 1 / (1 + exp(−k (|Δ| − x₀))), with k = 1/3 and x₀ = 7 for textures. A
change of one grey level is none.

Simplification: patches may lie anywhere; the paper keeps those of objects on the object.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from anomaly_lab.corruption.painting import clone

PATCHES = 4
LEAST, LARGEST = 0.03, 0.4  # half a patch's side, as a share of the image's
SHAPE, SCALE = 2.0, 0.05  # of the gamma distribution of the half side beyond `LEAST`
MIXED = 0.5  # share of the patches whose gradients are mixed: the paper mixes them for textures only
MEDIAN = 5  # pixels
TOLERANCE = 1  # grey levels: rounding, and OpenCV's blending, change as much
STEEPNESS, MIDDLE = 1 / 3, 7.0  # k and x₀


def blended(X: np.ndarray, others: Sequence[np.ndarray], rng: Generator) -> np.ndarray:
    """X, float32 (H, W, 3) in [0, 1], with patches of `others`, images of the same kind. X itself stays as it is."""
    Y = X.copy()
    for number in range(PATCHES):
        if number and rng.random() < 0.5:
            continue
        half = np.minimum(LEAST + rng.gamma(SHAPE, SCALE, 2), LARGEST)
        rows, columns = (int(np.clip(round(2 * h * side), 4, side - 2)) for h, side in zip(half, Y.shape[:2], strict=True))
        top, left = (int(rng.integers(1, side - own)) for side, own in zip(Y.shape[:2], (rows, columns), strict=True))
        box = slice(top, top + rows), slice(left, left + columns)
        patch = _taken(others[int(rng.integers(len(others)))], rows, columns, rng)
        clone(Y, patch, box, np.ones((rows, columns), bool), MIXED, rng)
    return Y


def label(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """How defective each pixel of Y is, (H, W) float32 in [0, 1], by its change from X; 0 where it is at most `TOLERANCE`."""
    change = cv2.medianBlur((255 * np.abs(Y - X).mean(2)).round().astype(np.uint8), MEDIAN).astype(np.float32)
    return np.where(change > TOLERANCE, 1 / (1 + np.exp(-STEEPNESS * (change - MIDDLE))), 0).astype(np.float32)


def _taken(other: np.ndarray, rows: int, columns: int, rng: Generator) -> np.ndarray:
    """A random part of `other`, resized to (rows, columns, 3) by a random factor."""
    factor = float(np.clip(rng.normal(1, 0.5), 0.5, 2))
    sides = [int(np.clip(round(side / factor), 2, limit)) for side, limit in zip((rows, columns), other.shape, strict=False)]
    top, left = (int(rng.integers(0, limit - side + 1)) for side, limit in zip(sides, other.shape, strict=False))
    part = np.ascontiguousarray(other[top : top + sides[0], left : left + sides[1]])
    return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_LINEAR).reshape(rows, columns, -1)
