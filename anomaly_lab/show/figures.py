"""Pictures: test images with what was found in them, training pairs, and the course of the training.

Colours are safe for the colour-blind: heatmaps in magma on a scale that is fixed across a figure and printed beside it,
outlines of the ground truth in white over cyan.
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

matplotlib.use("Agg")  # no window: runs happen on machines without a screen
DPI = 100
CELL, GAP = 210, 6  # pixels of a picture's longer side in a sheet, and between two
LEFT, TOP = 46, 50  # pixels for the rows' labels, for the title and the columns' names
matplotlib.rcParams["text.parse_math"] = False  # file names are text, also between two $


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically, and close it."""
    with replacing(path) as temporary:
        # smaller files by a third would take twice as long
        figure.savefig(temporary, dpi=DPI, facecolor="white", pil_kwargs={"compress_level": 1})
    plt.close(figure)


def detections(examples: Sequence[Mapping[str, Any]], threshold: float, title: str) -> Figure:
    """A row an example: input | reconstruction | heatmap | mask | truth.

    Each example has "image", "reconstruction" (h, w, 3) in [0, 1], "heatmap" (H, W), "mask", "truth" (H, W) bool, and "title";
    reconstruction and truth may be None. The heatmaps' scale runs from 0 to twice the threshold: half of it is where the
    decision lies.
    """
    top = 2 * threshold if threshold > 0 else _highest(examples)
    rows = [
        [e["image"], _or(e["reconstruction"], "none"), _magma(e["heatmap"], top), e["mask"], _or(e["truth"], "no mask")]
        for e in examples
    ]
    ticks = {0.0: "0", top / 2: f"{top / 2:.2g}\n(threshold)", top: f"{top:.2g}"}
    names = ("input", "reconstruction", "heatmap", "mask", "truth")
    return _sheet(rows, [e["title"] for e in examples], names, title, ticks)


def panels(examples: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """A row an example, as in `detections` but before there is a threshold: input | reconstruction | heatmap | truth.

    The heatmaps' scale runs from 0 to the highest value in the figure, and is printed.
    """
    top = _highest(examples) or 1.0
    rows = [[e["image"], _or(e["reconstruction"], "none"), _magma(e["heatmap"], top), _or(e["truth"], "")] for e in examples]
    names = ("input", "reconstruction", "heatmap", "truth")
    return _sheet(rows, [e["title"] for e in examples], names, title, {0.0: "0", top: f"{top:.2g}"})


def training_pairs(pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], title: str) -> Figure:
    """A column a pair: X, X̂, M; (H, W, 3), (H, W, 3), (H, W), in [0, 1]."""
    return _sheet(list(zip(*pairs, strict=True)), ("X", "X̂", "M"), ("",) * len(pairs), title)


def _sheet(
    rows: Sequence[Sequence[np.ndarray | str]],
    labels: Sequence[str],
    names: Sequence[str],
    title: str,
    ticks: Mapping[float, str] | None = None,
) -> Figure:
    """Pictures, or words in their place, in rows with a label and columns with a name; the values on the heatmaps' scale.

    All pictures are one image to matplotlib: with axes of their own they took as long to draw as ten images to test.
    """
    sizes = [shown.shape[:2] for row in rows for shown in row if not isinstance(shown, str)]
    tall = round(CELL * min(1, max(0.5, *(h / w for h, w in sizes))))  # of a cell: what the pictures need, or half, for
    wide = round(CELL * min(1, max(0.5, *(w / h for h, w in sizes))))  # the words around them
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
    """Draw (h, w, 3) or (h, w) in [0, 1] into the middle of a cell (H, W, 3), as large as it fits."""
    import cv2  # here: the report's tables and plots, which need no pictures, start without it

    picture = np.atleast_3d(np.asarray(picture, np.float32))
    scale = min(a / b for a, b in zip(cell.shape[:2], picture.shape[:2], strict=True))
    height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST  # enlarged, pixels stay what they are
    fitted = np.atleast_3d(cv2.resize(picture, (width, height), interpolation=smaller))
    top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
    cell[top : top + height, left : left + width] = fitted.clip(0, 1)


def _highest(examples: Sequence[Mapping[str, Any]]) -> float:
    return max(float(e["heatmap"].max()) for e in examples)


def _magma(heatmap: np.ndarray, top: float) -> np.ndarray:
    """(H, W) in colours from 0 to `top`."""
    return matplotlib.colormaps["magma"](heatmap / top)[..., :3]


def _or(picture: np.ndarray | None, words: str) -> np.ndarray | str:
    return words if picture is None else picture


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
