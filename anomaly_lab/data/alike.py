"""Images that show nearly the same: one part photographed twice, or a copy that was saved anew."""

from collections.abc import Iterator, Sequence
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
CHUNK = 512  # images compared with as many others at once


def alike(paths: Sequence[Path]) -> list[int]:
    """For each image, the place of the first that it is like, directly or through others; its own place if there is none.

    UserError for a file that can't be read.
    """
    with ThreadPoolExecutor(4) as pool:  # OpenCV lets threads run at the same time
        rows = pool.map(lambda path: shrunk(to_unit(read_image(path)).mean(2)), paths)
        small = np.array(list(watched(rows, "Comparing images", len(paths))))
    first = list(range(len(paths)))

    def leader(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for i, j in near(small):
        a, b = leader(i), leader(j)
        first[max(a, b)] = min(a, b)
    return [leader(i) for i in range(len(paths))]


def shrunk(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """A grey image (H, W) → (`SIDE`²,) of the same range: at the size at which images are compared."""
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


def near(rows: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pairs i < j of images, (n, `SIDE`²) in [0, 1], that are nearly the same; two flat images of one brightness are."""
    spread = np.array([row.std(dtype=np.float64) for row in rows])
    found: list[tuple[int, int]] = []
    for i, j, a, b in blocks(rows):
        squares = (a**2).sum(1)[:, None] + (b**2).sum(1)
        distance = np.sqrt(np.maximum(squares - 2 * a @ b.T, 0) / rows.shape[1])
        close = distance <= NEAR * np.minimum.outer(spread[i : i + len(a)], spread[j : j + len(b)]) + 1e-4
        found += [(i + int(k), j + int(m)) for k, m in zip(*np.nonzero(close), strict=True) if i + k < j + m]
    return found


def blocks(rows: NDArray[np.float32]) -> Iterator[tuple[int, int, NDArray[np.float64], NDArray[np.float64]]]:
    """Every pair of blocks of `CHUNK` rows, in double precision: (first row of a, first row of b, a, b); b not before a."""
    starts = range(0, len(rows), CHUNK)
    for i in starts:
        a = rows[i : i + CHUNK].astype(np.float64)
        for j in starts[i // CHUNK :]:
            yield i, j, a, rows[j : j + CHUNK].astype(np.float64)
