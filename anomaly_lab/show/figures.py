"""Figures: test images with their detections, training pairs, and the course of a training.

All heatmaps of a figure share one colour scale, which is printed below them. Colour-blind readers can read it too (magma).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from anomaly_lab.files import replacing

matplotlib.use("Agg")  # no window: the machine may have no screen
DPI = 100
CELL, GAP = 210, 6  # pixels: the longer side of a picture in a sheet, and the space between two pictures
WITHOUT = {"reconstruction": "none", "truth": "no mask"}  # what stands in place of a picture that an example lacks
LEFT, TOP = 46, 50  # pixels: the margin for the rows' labels, and the one for the title and the columns' names
matplotlib.rcParams["text.parse_math"] = False  # a file name may contain $


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file, as a whole or not at all, and close it."""
    with replacing(path) as temporary:
        # stronger compression makes files a third smaller, but takes twice as long
        figure.savefig(temporary, dpi=DPI, facecolor="white", pil_kwargs={"compress_level": 1})
    plt.close(figure)


def detections(examples: Sequence[Mapping[str, Any]], threshold: float, title: str) -> Figure:
    """One row per example: input, reconstruction, heatmap, mask, ground truth.

    An example has "image" and "reconstruction" (h, w, 3) in [0, 1], "heatmap" (H, W), "mask" and "truth" (H, W) bool, and
    "title". The reconstruction and the truth may be None. The colour scale ends at twice the threshold, so that the decision
    lies in its middle.
    """
    top = 2 * threshold if threshold > 0 else _highest(examples)
    ticks = {0.0: "0", top / 2: f"{top / 2:.2g}\n(threshold)", top: f"{top:.2g}"}
    return _rows(examples, ("input", "reconstruction", "heatmap", "mask", "truth"), title, ticks)


def panels(examples: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """One row per example, for use before there is a threshold: input, reconstruction, heatmap, ground truth.

    The examples are those of `detections`, without "mask". The colour scale ends at the highest value of the heatmaps.
    """
    top = _highest(examples) or 1.0
    return _rows(examples, ("input", "reconstruction", "heatmap", "truth"), title, {0.0: "0", top: f"{top:.2g}"})


def training_pairs(pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], title: str) -> Figure:
    """One column per pair: X and X̂ (H, W, 3), and M (H, W), in [0, 1]."""
    return sheet(list(zip(*pairs, strict=True)), ("X", "X̂", "M"), ("",) * len(pairs), title)


def _rows(examples: Sequence[Mapping[str, Any]], names: Sequence[str], title: str, ticks: Mapping[float, str]) -> Figure:
    """One row per example, with the columns `names`. `ticks`: value → label on the colour scale, which ends at the highest."""
    rows = []
    for e in examples:
        heatmap = matplotlib.colormaps["magma"](e["heatmap"] / max(ticks))[..., :3]
        maps = {"input": e["image"], "reconstruction": e["reconstruction"], "heatmap": heatmap}
        maps |= {"mask": e.get("mask"), "truth": e["truth"]}
        rows.append([WITHOUT[name] if maps[name] is None else maps[name] for name in names])
    return sheet(rows, [e["title"] for e in examples], names, title, ticks)


def _highest(examples: Sequence[Mapping[str, Any]]) -> float:
    return max(float(e["heatmap"].max()) for e in examples)


def sheet(
    rows: Sequence[Sequence[np.ndarray | str]],
    labels: Sequence[str],
    names: Sequence[str],
    title: str,
    ticks: Mapping[float, str] | None = None,
) -> Figure:
    """A table of pictures, or of words in place of one: labels of the rows, names of the columns, values of the colour scale.

    Matplotlib draws all pictures as one image: with axes for each picture, drawing took as long as testing ten images.
    """
    sizes = [shown.shape[:2] for row in rows for shown in row if not isinstance(shown, str)]
    # a cell is as large as its pictures need, and at least half of CELL, so that labels fit
    tall = round(CELL * min(1, max(0.5, *(h / w for h, w in sizes))))
    wide = round(CELL * min(1, max(0.5, *(w / h for h, w in sizes))))
    down, right, bottom = tall + GAP, wide + GAP, 60 if ticks else 0
    height, width = down * len(rows), right * len(names)
    canvas = np.ones((height, width, 3), np.float32)
    size = np.array((LEFT + width, TOP + height + bottom))
    figure = plt.figure(figsize=tuple(size / DPI))
    axes = figure.add_axes((LEFT / size[0], bottom / size[1], width / size[0], height / size[1]))
    for i, row in enumerate(rows):
        for j, shown in enumerate(row):
            if isinstance(shown, str):
                axes.text(j * right + wide / 2, i * down + tall / 2, shown, ha="center", va="center")
            else:
                _place(shown, canvas[i * down : i * down + tall, j * right : j * right + wide])
    axes.imshow(canvas, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.set_axis_off()
    for i, label in enumerate(labels):
        upright: Any = {"rotation": 0, "fontsize": 11} if len(label) <= 2 else {"rotation": 90, "fontsize": 8}
        axes.text(-6, i * down + tall / 2, label, ha="right", va="center", **upright)
    for j, name in enumerate(names):
        axes.text(j * right + wide / 2, -6, name, ha="center", va="bottom", fontsize=10)
    if ticks:
        scale = ScalarMappable(Normalize(0, max(ticks)), "magma")
        place = figure.add_axes((0.35, (bottom - 22) / size[1], 0.3, 12 / size[1]))
        figure.colorbar(scale, cax=place, orientation="horizontal").set_ticks(
            list(ticks), labels=list(ticks.values()), fontsize=7
        )
    figure.suptitle(title, fontsize=10, y=1 - 6 / size[1], va="top")
    return figure


def _place(picture: np.ndarray, cell: np.ndarray) -> None:
    """Draw a picture (h, w, 3) or (h, w) in [0, 1] into the middle of a cell (H, W, 3), as large as the cell allows."""
    import cv2  # here, since the report's plots use this module and need no cv2

    picture = np.atleast_3d(np.asarray(picture, np.float32))
    scale = min(a / b for a, b in zip(cell.shape[:2], picture.shape[:2], strict=True))
    height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST  # an enlarged picture shows its pixels
    fitted = np.atleast_3d(cv2.resize(picture, (width, height), interpolation=interpolation))
    top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
    cell[top : top + height, left : left + width] = fitted.clip(0, 1)


def history(rows: Mapping[int, Mapping[str, str]], title: str) -> Figure:
    """Loss, proxy pixel AP and relative reconstruction error over the steps. `rows`: step → name → value, as in metrics.csv."""
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
