"""Pictures: test images with what was found in them, training pairs, and the course of the training.

Colours are safe for the colour-blind: heatmaps in magma on a scale that is fixed across a figure and printed beside it,
outlines of the ground truth in white over cyan.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no window: runs happen on machines without a screen
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_lab.atomic import replacing

DPI = 100


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically, and close it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, facecolor="white")
    plt.close(figure)


def detections(examples: Sequence[Mapping[str, Any]], threshold: float, title: str) -> Figure:
    """A row an example: input | reconstruction | heatmap | mask | truth.

    Each example has "image", "reconstruction" (h, w, 3) in [0, 1], "heatmap" (H, W), "mask", "truth" (H, W) bool, and "title";
    reconstruction and truth may be None. The heatmaps' scale runs from 0 to twice the threshold: half of it is where the
    decision lies.
    """
    top = 2 * threshold if threshold > 0 else max(float(e["heatmap"].max()) for e in examples)
    figure, axes = plt.subplots(len(examples), 5, figsize=(11, 2.3 * len(examples) + 0.8), squeeze=False, layout="constrained")
    for row, example in zip(axes, examples, strict=True):
        row[0].imshow(example["image"], vmin=0, vmax=1)
        _image_or(row[1], example["reconstruction"], "none")
        shown = row[2].imshow(example["heatmap"], cmap="magma", vmin=0, vmax=top)
        row[3].imshow(example["mask"], cmap="gray", vmin=0, vmax=1)
        _image_or(row[4], example["truth"], "no mask")
        row[0].set_ylabel(example["title"], fontsize=8)
    for axis, name in zip(axes[0], ("input", "reconstruction", "heatmap", "mask", "truth"), strict=True):
        axis.set_title(name, fontsize=10)
    _bare(axes.ravel())
    colorbar = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.3, aspect=20, pad=0.01)  # of all: columns stay level
    colorbar.set_ticks([0, top / 2, top], labels=["0", f"{top / 2:.2g}\n(threshold)", f"{top:.2g}"], fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def panels(examples: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """A row an example, as in `detections` but before there is a threshold: input | reconstruction | heatmap | truth.

    The heatmaps' scale runs from 0 to the highest value in the figure, and is printed.
    """
    top = max(float(e["heatmap"].max()) for e in examples) or 1.0
    figure, axes = plt.subplots(len(examples), 4, figsize=(8, 2 * len(examples) + 0.8), squeeze=False, layout="constrained")
    for row, example in zip(axes, examples, strict=True):
        row[0].imshow(example["image"], vmin=0, vmax=1)
        _image_or(row[1], example["reconstruction"], "none")
        shown = row[2].imshow(example["heatmap"], cmap="magma", vmin=0, vmax=top)
        if example["truth"] is not None:
            row[3].imshow(example["truth"], cmap="gray", vmin=0, vmax=1)
        row[0].set_ylabel(example["title"], fontsize=8)
    for axis, name in zip(axes[0], ("input", "reconstruction", "heatmap", "truth"), strict=True):
        axis.set_title(name, fontsize=10)
    _bare(axes.ravel())
    colorbar = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.3, aspect=20, pad=0.01)  # of all: columns stay level
    colorbar.set_ticks([0, top], labels=["0", f"{top:.2g}"], fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def training_pairs(pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], title: str) -> Figure:
    """A column a pair: X, X̂, M; (H, W, 3), (H, W, 3), (H, W), in [0, 1]."""
    figure, axes = plt.subplots(3, len(pairs), figsize=(1.6 * len(pairs) + 0.4, 5.4), squeeze=False, layout="constrained")
    for column, (X, X_hat, M) in zip(axes.T, pairs, strict=True):
        column[0].imshow(X, vmin=0, vmax=1)
        column[1].imshow(X_hat, vmin=0, vmax=1)
        column[2].imshow(M, cmap="gray", vmin=0, vmax=1)
    for axis, name in zip(axes[:, 0], ("X", "X̂", "M"), strict=True):
        axis.set_ylabel(name, fontsize=11, rotation=0, labelpad=10)
    _bare(axes.ravel())
    figure.suptitle(title, fontsize=10)
    return figure


def history(rows: Mapping[int, Mapping[str, str]], title: str) -> Figure:
    """The course of loss, proxy pixel AP and relative reconstruction error over the steps."""
    names = {"train/loss": "loss", "val/proxy_ap": "proxy pixel AP", "val/relative_error": "relative reconstruction error"}
    figure, axes = plt.subplots(1, len(names), figsize=(11, 2.8), layout="constrained")
    for axis, (name, label) in zip(axes, names.items(), strict=True):
        points = [(step, float(row[name])) for step, row in sorted(rows.items()) if name in row]
        axis.plot(*zip(*points, strict=True), color="#0072B2", linewidth=1.2) if points else None
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    return figure


def _image_or(axis: Axes, image: np.ndarray | None, words: str) -> None:
    """An image in [0, 1], grey where it has no channels, or words in its place."""
    if image is None:
        axis.text(0.5, 0.5, words, ha="center", va="center", transform=axis.transAxes)
    else:
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)


def _bare(axes: Iterable[Axes]) -> None:
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
        for side in axis.spines.values():
            side.set_visible(False)
