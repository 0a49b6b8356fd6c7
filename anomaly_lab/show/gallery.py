"""A run's pictures, in figures/ and in W&B or TensorBoard where they are switched on."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from anomaly_lab.scored import Scored
from anomaly_lab.show import figures
from anomaly_lab.show.loggers import log_figure

log = logging.getLogger(__name__)

PER_DEFECT = 2  # examples of each kind of defect, and of normal images
EXTREMES = 4  # lowest-scoring defective and highest-scoring normal images
MAX_SIDE = 512  # pixels of a picture in a figure; larger ones only cost memory


def to_image(x: Tensor) -> NDArray[np.float32]:
    """(3, h, w) → (h, w, 3) float32."""
    return x.detach().float().cpu().numpy().transpose(1, 2, 0)


def row(image: Tensor, output: Tensor | None, title: str, **maps: Any) -> dict[str, Any]:
    """One row of a figure: an image and F(X), where there is one, (3, h, w), and its maps (H, W), heatmap among them.

    The maps are thinned out to at most `MAX_SIDE` pixels a side.
    """
    step = -(-max(maps["heatmap"].shape) // MAX_SIDE)
    small = {name: None if x is None else torch.as_tensor(x).cpu().numpy()[::step, ::step].copy() for name, x in maps.items()}
    return {"image": to_image(image), "reconstruction": None if output is None else to_image(output), "title": title, **small}


def example(scored: Scored, **maps: Any) -> dict[str, Any]:
    """A scored image as a row of a figure, beside other maps (H, W)."""
    title = f"{scored.sample.defect}\n{scored.sample.path.stem}"
    return row(scored.X, scored.output, title, heatmap=scored.heatmap, truth=scored.truth, **maps)


class Gallery:
    """detections.png: the first test images of each kind. extremes.png: the lowest-scoring defective and the highest-scoring
    normal images. `title` stands over them."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.seen: dict[str, int] = {}
        self.examples: list[dict[str, Any]] = []
        self.missed: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []

    def add(self, scored: Scored, mask: NDArray[np.bool_]) -> None:
        """Keep a scored test image and its mask where they will be shown."""
        defect = scored.sample.defect
        self.seen[defect] = self.seen.get(defect, 0) + 1
        rank = self.alarms if scored.sample.label == 0 else self.missed
        extreme = -scored.score if scored.sample.label == 0 else scored.score
        worth = len(rank) < EXTREMES or extreme < rank[-1]["rank"]
        if not (worth or self.seen[defect] <= PER_DEFECT):
            return
        shown = example(scored, mask=mask) | {"rank": extreme}
        if self.seen[defect] <= PER_DEFECT:
            self.examples.append(shown)
        if worth:
            rank.append(shown)
            rank.sort(key=lambda e: e["rank"])
            del rank[EXTREMES:]

    def drawn(self, threshold: float) -> dict[str, Figure]:
        """The figures by their names; none without images."""
        found = {}
        if self.examples:
            found["detections"] = figures.detections(self.examples, threshold, f"{self.title}: the first of each kind")
        if extremes := self.missed + self.alarms:
            title = f"{self.title}: lowest-scoring defective and highest-scoring normal images"
            found["extremes"] = figures.detections(extremes, threshold, title)
        return found


def training_pairs(pairs: Sequence[dict[str, Tensor]], title: str) -> Figure:
    """training_pairs.png: the first pairs of the training, each with X, X_hat (3, s, s) and M (1, s, s)."""
    shown = [(to_image(p["X"]), to_image(p["X_hat"]), to_image(p["M"])[..., 0]) for p in pairs]
    return figures.training_pairs(shown, f"{title}: training pairs")


def publish(figure: Figure, path: Path, loggers: Sequence[Logger], step: int) -> None:
    """Write a figure to `path` and show it in the loggers that take pictures. A figure that cannot be written ends no run."""
    try:
        log_figure(loggers, path.stem, figure, step)
        figures.save(figure, path)
    except OSError as error:
        log.warning("figures/%s could not be written: %s", path.name, error)
