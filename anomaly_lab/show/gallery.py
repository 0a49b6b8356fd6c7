"""The callbacks that make a run's pictures, in figures/ and in W&B or TensorBoard where they are switched on."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.folder import Sample
from anomaly_lab.show import figures
from anomaly_lab.show.loggers import log_figure

log = logging.getLogger(__name__)

PER_DEFECT = 2  # examples of each kind of defect, and of normal images
EXTREMES = 4  # lowest-scoring defective and highest-scoring normal images
MAX_SIDE = 512  # pixels of a picture in a figure; larger ones only cost memory


def to_image(x: Tensor) -> np.ndarray:
    """(3, h, w) → (h, w, 3) float32."""
    return x.detach().float().cpu().numpy().transpose(1, 2, 0)


def row(image: Tensor, output: Tensor | None, title: str, **maps: Any) -> dict[str, Any]:
    """A row of a figure: image and F(X), where there is one, (3, h, w); of its maps (H, W), heatmap among them, not more pixels
    than a picture shows."""
    step = -(-max(maps["heatmap"].shape) // MAX_SIDE)
    small = {name: None if x is None else torch.as_tensor(x).cpu().numpy()[::step, ::step].copy() for name, x in maps.items()}
    return {"image": to_image(image), "reconstruction": None if output is None else to_image(output), "title": title, **small}


class Gallery(L.Callback):
    """figures/training_pairs.png before training, history.png after it, detections.png and extremes.png after the test."""

    def __init__(self, run: Path, title: str, samples: list[Sample]) -> None:
        self.folder, self.title, self.samples = run / "figures", title, samples
        seen: dict[str, int] = {}
        self.chosen: set[int] = set()
        for i, sample in enumerate(samples):
            seen[sample.defect] = seen.get(sample.defect, 0) + 1
            if seen[sample.defect] <= PER_DEFECT:
                self.chosen.add(i)
        self.examples: list[dict[str, Any]] = []
        self.missed: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data: AnomalyDataModule = trainer.datamodule  # type: ignore[attr-defined]
        pairs = [(to_image(p["X"]), to_image(p["X_hat"]), to_image(p["M"])[..., 0]) for p in data.training_pairs(6)]
        self.publish(trainer, "training_pairs", figures.training_pairs(pairs, f"{self.title}: training pairs"))

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        i = int(batch["index"])
        score = float(outputs["score"])
        rank = self.alarms if self.samples[i].label == 0 else self.missed
        extreme = -score if self.samples[i].label == 0 else score
        worth = len(rank) < EXTREMES or extreme < rank[-1]["rank"]
        if not (worth or i in self.chosen):
            return
        example = self.example(pl_module, i, outputs, batch) | {"rank": extreme}
        if i in self.chosen:
            self.examples.append(example)
        if worth:
            rank.append(example)
            rank.sort(key=lambda e: e["rank"])
            del rank[EXTREMES:]

    def example(self, module: Any, i: int, outputs: dict[str, Tensor], batch: dict[str, Any]) -> dict[str, Any]:
        sample, heatmap = self.samples[i], outputs["heatmap"].float().cpu().numpy()
        mask = detect(heatmap, float(module.threshold), module.hparams["min_area"])
        title = f"{sample.defect}\n{sample.path.stem}"
        return row(batch["X"], outputs.get("reconstruction"), title, heatmap=heatmap, mask=mask, truth=batch["truth"])

    def on_test_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        threshold = float(pl_module.threshold)
        if self.examples:
            figure = figures.detections(self.examples, threshold, f"{self.title}: the first of each kind")
            self.publish(trainer, "detections", figure)
        if extremes := self.missed + self.alarms:
            title = f"{self.title}: lowest-scoring defective and highest-scoring normal images"
            self.publish(trainer, "extremes", figures.detections(extremes, threshold, title))

    def publish(self, trainer: L.Trainer, name: str, figure: Figure) -> None:
        """Write figures/<name>.png and show it in the loggers that take pictures."""
        try:
            log_figure(trainer, name, figure)
            figures.save(figure, self.folder / f"{name}.png")
        except OSError as error:  # a picture is never worth a run
            log.warning("figures/%s.png could not be written: %s", name, error)
