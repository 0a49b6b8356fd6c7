"""Which images a run's figures show, and where the figures go: to figures/, W&B and TensorBoard."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from anomaly_lab.scored import Scored
from anomaly_lab.show import figures
from anomaly_lab.show.loggers import log_figure

log = logging.getLogger(__name__)

PER_DEFECT = 2  # images of each kind in detections.png; the normal images are a kind too
EXTREMES = 4  # images of each class in extremes.png
MAX_SIDE = 512  # pixels of a map in a figure; larger ones only cost memory


def to_image(x: Tensor) -> NDArray[np.float32]:
    """A tensor (3, h, w) as an array (h, w, 3) float32."""
    return x.detach().float().cpu().numpy().transpose(1, 2, 0)


def row(image: Tensor, output: Tensor | None, title: str, **maps: Any) -> dict[str, Any]:
    """One row of a figure: an image and F(X), (3, h, w) or None, and maps (H, W), one of which is the heatmap.

    Larger maps lose rows and columns until no side has more than `MAX_SIDE` pixels.
    """
    step = -(-max(maps["heatmap"].shape) // MAX_SIDE)
    small = {name: None if x is None else torch.as_tensor(x).cpu().numpy()[::step, ::step].copy() for name, x in maps.items()}
    return {"image": to_image(image), "reconstruction": None if output is None else to_image(output), "title": title, **small}


def example(scored: Scored, **maps: Any) -> dict[str, Any]:
    """A scored image as a row of a figure, with other maps (H, W) beside its heatmap and ground truth."""
    title = f"{scored.sample.defect}\n{scored.sample.path.stem}"
    return row(scored.X, scored.output, title, heatmap=scored.heatmap, truth=scored.truth, **maps)


class Gallery:
    """The images of detections.png and extremes.png.

    detections.png shows the first test images of each kind; extremes.png the defective images with the lowest scores and the
    normal images with the highest scores. `title` is the beginning of both titles.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.seen: Counter[str] = Counter()
        self.examples: list[dict[str, Any]] = []
        self.missed: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []

    def add(self, scored: Scored, mask: NDArray[np.bool_]) -> None:
        """Keep a scored test image and its mask if a figure will show them."""
        self.seen[scored.sample.defect] += 1
        early = self.seen[scored.sample.defect] <= PER_DEFECT
        rank, extreme = (self.missed, scored.score) if scored.sample.label else (self.alarms, -scored.score)
        worth = len(rank) < EXTREMES or extreme < rank[-1]["rank"]
        if not (early or worth):
            return
        shown = example(scored, mask=mask) | {"rank": extreme}
        if early:
            self.examples.append(shown)
        if worth:
            rank.append(shown)
            rank.sort(key=lambda e: e["rank"])
            del rank[EXTREMES:]

    def drawn(self, threshold: float) -> dict[str, Figure]:
        """The figures: name → figure. There are none without test images."""
        if not self.examples:
            return {}
        first = f"{self.title}: the first of each kind"
        extreme = f"{self.title}: lowest-scoring defective and highest-scoring normal images"
        return {
            "detections": figures.detections(self.examples, threshold, first),
            "extremes": figures.detections(self.missed + self.alarms, threshold, extreme),
        }


def training_pairs(pairs: Sequence[dict[str, Tensor]], title: str) -> Figure:
    """training_pairs.png, from pairs with "X" and "X_hat" (3, s, s) and "M" (1, s, s)."""
    shown = [(to_image(p["X"]), to_image(p["X_hat"]), to_image(p["M"])[..., 0]) for p in pairs]
    return figures.training_pairs(shown, f"{title}: training pairs")


def publish(figure: Figure, name: str, loggers: Sequence[Logger], step: int, folder: Path | None = None) -> None:
    """Show a figure in the loggers that take figures, and write it to `folder`, if given. A failure is a warning only."""
    try:
        log_figure(loggers, name, figure, step)
        if folder is not None:
            figures.save(figure, folder / f"{name}.png")
    except OSError as error:
        log.warning("the figure %s could not be written: %s", name, error)
    plt.close(figure)
