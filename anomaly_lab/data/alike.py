"""Images that show nearly the same: one part photographed twice, or a copy that was saved anew."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.images import read_image, to_unit
from anomaly_lab.progress import watched

SIDE = 64  # images are compared at this size
# Root mean square difference, as a share of the smaller standard deviation. Between normal images of six sets of photographs it
# is .11 at least; for copies saved as JPEG, or with noise, a few hundredths at most.
NEAR = 0.05
CHUNK = 512  # images compared with all others at once


def alike(paths: Sequence[Path]) -> list[int]:
    """For each image, the place of the first that it is like, directly or through others; its own place if there is none.

    UserError for a file that can't be read.
    """
    with ThreadPoolExecutor(4) as pool:  # OpenCV lets threads run at the same time
        small = np.array(list(watched(pool.map(_small, paths), "Comparing images", len(paths))))
    first = list(range(len(paths)))

    def leader(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for i, j in _near(small):
        a, b = leader(i), leader(j)
        first[max(a, b)] = min(a, b)
    return [leader(i) for i in range(len(paths))]


def _small(path: Path) -> NDArray[np.float32]:
    grey = to_unit(read_image(path)).mean(2)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


def _near(images: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pairs i < j of rows that are nearly the same; two flat images of one brightness are."""
    if not len(images):
        return []
    rows = images.astype(np.float64)
    squares, spread = (rows**2).sum(1), rows.std(1)
    found: list[tuple[int, int]] = []
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        distance = np.sqrt(np.maximum(squares[part, None] + squares - 2 * rows[part] @ rows.T, 0) / rows.shape[1])
        near = distance <= NEAR * np.minimum(spread[part, None], spread) + 1e-4
        found += [(start + int(i), int(j)) for i, j in zip(*np.nonzero(near), strict=True) if start + i < j]
    return found
