"""The paper's figure 5: how a training pair (X, X̂, M) is made (section 3.2)."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from anomaly_lab.build import build
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.crops import crop_size
from anomaly_lab.data.images import read_image
from anomaly_lab.report.pictures import cells
from anomaly_lab.report.pictures.rescored import Rescored
from anomaly_lab.scored import preprocessing_of

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Pair(NamedTuple):
    """A training pair and the steps to it.

    X, X_hat, M: the pair, (h, w, 3) in [0, 1], and the mask of the change, (h, w)
    box:         rows and columns of the patch
    transformed: the patch's new content, (rows, columns, 3)
    shape:       the part of the patch that is pasted, (rows, columns)
    """

    X: Pixels
    box: tuple[slice, slice]
    transformed: Pixels
    shape: Mask
    M: Mask
    X_hat: Pixels


def training_pair(rescored: Rescored) -> Pair | None:
    """A pair from the first training image, as training makes it, but with one patch and without flips.

    None without training images, and for a corruption that is not local.
    """
    samples = rescored.data.train.samples
    corruption = build(rescored.run.config["corruption"])
    if not samples or not isinstance(corruption, LocalCorruption):
        return None
    preprocessing = preprocessing_of(rescored.trained.module)
    size = crop_size(rescored.run.config["data"]["train_size"], rescored.run.metrics["image_size"])
    small = preprocessing.resized(read_image(samples[0].path))
    X = preprocessing.unit(small, preprocessing.levels(small))
    X = np.ascontiguousarray(X[:size, :size] if size else X)
    rng = np.random.default_rng([rescored.run.metrics["seed"], 5])
    for _ in range(20):  # until the patch is large enough for a picture
        box, shape = corruption.sample_patch(X.shape[:2], rng)
        if shape.mean() > 0.3 and min(shape.shape) >= min(X.shape[:2]) // 4:
            break
    transformed = np.clip(corruption.contents[0](X, box, rng), 0, 1)
    M, X_hat = np.zeros(X.shape[:2], bool), X.copy()
    M[box], X_hat[box] = shape, np.where(shape[..., None], transformed, X[box])
    return Pair(X, box, transformed, shape, M, X_hat)


def pair_steps(pair: Pair, title: str) -> Figure:
    """X with the patch's place; the patch, transformed, its shape; M; X̂ with the border of the change drawn in."""
    figure, axes = cells.grid(1, 6, title)
    row = axes[0]
    rows, columns = pair.box
    corner = (columns.start - 0.5, rows.start - 0.5)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    for axis, pixels in zip(row[[0, 1, 2, 5]], (pair.X, pair.X[pair.box], pair.transformed, pair.X_hat), strict=True):
        cells.image(axis, pixels)
    row[0].add_patch(Rectangle(corner, *size, fill=False, edgecolor=cells.MASK, linewidth=2))
    cells.mask(row[3], pair.shape)
    cells.mask(row[4], pair.M)
    row[5].contour(pair.M, levels=[0.5], colors="black", linewidths=1)
    names = ("X: 1. size and place", "2. patch", "2. transformed", "2. shape", "3. mask M", "3. X̂ (border drawn in)")
    cells.heads(row, names)
    return figure
