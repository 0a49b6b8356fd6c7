"""The cells of the paper's figures: images, masks and results in a grid."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_lab.report.pictures.rescored import Rescored
from anomaly_lab.scored import Scored
from anomaly_lab.show.gallery import to_image

MASK, TRUTH = "#E69F00", "#56B4E9"  # outlines of the run's mask and of the ground truth


def grid(rows: int, columns: int, title: str) -> tuple[Figure, NDArray[Any]]:
    """A figure and its axes (rows, columns), without ticks and frames."""
    size = (1.75 * columns + 0.6, 1.75 * rows + 1.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=8)
    return figure, axes


def heads(row: Sequence[Axes], names: Sequence[str]) -> None:
    """Titles above the cells of a row."""
    for axis, name in zip(row, names, strict=True):
        axis.set_title(name, fontsize=7)


def label(axis: Axes, s: Scored) -> None:
    """The kind and the file's stem, to the left of a row."""
    axis.set_ylabel(f"{s.sample.defect}\n{s.sample.path.stem}", fontsize=8)


def reconstruction(axis: Axes, s: Scored) -> None:
    """F(X); an empty cell if the network does not reconstruct."""
    if s.output is not None:
        axis.imshow(to_image(s.output))


def mask(axis: Axes, found: NDArray[np.bool_] | None) -> None:
    """A mask (H, W) in black and white; None is an image without one."""
    if found is None:
        axis.text(0.5, 0.5, "no mask", ha="center", va="center", transform=axis.transAxes, fontsize=8)
    else:
        axis.imshow(found, cmap="gray", vmin=0, vmax=1)


def result(axis: Axes, s: Scored, found: NDArray[np.bool_]) -> None:
    """The image with outlines: the mask that was found is orange and solid, the ground truth is blue and dashed."""
    height, width = found.shape
    axis.imshow(to_image(s.X), vmin=0, vmax=1, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for area, colour, line in ((s.truth, TRUTH, "dashed"), (found, MASK, "solid")):
        if area is not None and area.any() and not area.all():
            axis.contour(area, levels=[0.5], colors=colour, linewidths=1.2, linestyles=line)


def scale(figure: Figure, shown: Any, axes: NDArray[Any], run: Rescored) -> None:
    """The scale of the heatmaps `shown`, the same for the whole figure."""
    bar = figure.colorbar(shown, ax=list(axes), location="bottom", shrink=0.9, aspect=12, pad=0.02)
    bar.set_ticks([0, run.top / 2, run.top], labels=["0", f"{run.top / 2:.2g}\n(threshold)", f"{run.top:.2g}"], fontsize=6)
