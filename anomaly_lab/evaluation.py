"""After training: calibrate the threshold on held-out normal images, then score the test images and write what came out."""

import csv
import io
import logging
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
from torch import Tensor

from anomaly_lab.atomic import replacing, write_text
from anomaly_lab.calibration import area_threshold, detect
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.folder import Sample
from anomaly_lab.metrics import ImageMetrics, PixelMetrics
from anomaly_lab.module import AnomalyModule

log = logging.getLogger(__name__)
COLUMNS = ("path", "defect", "label", "score", "predicted")


class _Heatmaps(L.Callback):
    """Keeps the heatmaps of a prediction, and nothing else of it."""

    def __init__(self) -> None:
        self.kept: list[np.ndarray] = []

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.kept.append(outputs["heatmap"].float().cpu().numpy())


def calibrate(trainer: L.Trainer, module: AnomalyModule, data: AnomalyDataModule) -> None:
    """Set `module.threshold` by the paper's rule (section 4.2) from the held-out normal images."""
    heatmaps = _Heatmaps()
    trainer.callbacks.append(heatmaps)  # type: ignore[attr-defined]
    try:
        trainer.predict(module, dataloaders=data.calibration_dataloader(), return_predictions=False)
    finally:
        trainer.callbacks.remove(heatmaps)  # type: ignore[attr-defined]
    module.threshold.fill_(area_threshold(heatmaps.kept, module.hparams["min_area"]))


class TestResults(L.Callback):
    """Metrics over the test images, one row an image, and the heatmaps where they are asked for.

    `metrics` after the test: image_auroc, pixel_auroc, … (None where undefined), the same AUROCs of the trivial reference
    as flat_…, and `rows`, one dict an image with the columns of scores.csv.
    """

    __test__ = False  # not a test for pytest to collect

    def __init__(self, run: Path, samples: list[Sample], root: Path, save_heatmaps: bool) -> None:
        self.run, self.samples, self.root, self.save_heatmaps = run, samples, root, save_heatmaps
        self.image, self.pixel = ImageMetrics(), PixelMetrics()
        self.flat_image, self.flat_pixel = ImageMetrics(), PixelMetrics()
        self.rows: list[dict[str, Any]] = []
        self.metrics: dict[str, float | None] = {}

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        sample = self.samples[batch["index"]]
        heatmap, truth = outputs["heatmap"].float().cpu(), batch["truth"]
        mask = torch.from_numpy(detect(heatmap.numpy(), float(pl_module.threshold), pl_module.hparams["min_area"]))
        predicted = int(mask.any())
        self.image.update(outputs["score"], sample.label, predicted)
        self.flat_image.update(outputs["flat_score"], sample.label, 0)
        if truth is not None:
            self.pixel.update(heatmap, truth.cpu(), mask)
            self.flat_pixel.update(outputs["flat_heatmap"].float().cpu(), truth.cpu(), torch.zeros_like(mask))
        path = sample.path.relative_to(self.root).as_posix()
        # repr of the double that the float32 score is: what is read back is what the metrics saw
        score = float(outputs["score"].float())
        self.rows.append(dict(zip(COLUMNS, (path, sample.defect, sample.label, repr(score), predicted), strict=True)))
        if self.save_heatmaps:
            self._save(sample, heatmap, truth)

    def _save(self, sample: Sample, heatmap: Tensor, truth: Tensor | None) -> None:
        with replacing(self.run / "heatmaps" / sample.defect / f"{sample.path.stem}.npy") as temporary:
            np.save(temporary, heatmap.numpy())
        if truth is not None:
            with replacing(self.run / "truth" / sample.defect / f"{sample.path.stem}.png") as temporary:
                cv2.imwrite(str(temporary), truth.cpu().numpy().astype(np.uint8) * 255)

    def on_test_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.conclude()

    def conclude(self) -> None:
        """Compute the metrics, say which can't be, and write scores.csv."""
        flat = {**self.flat_image.compute(), **self.flat_pixel.compute()}
        self.metrics = {**self.image.compute(), **self.pixel.compute()}
        self.metrics |= {f"flat_{name}": flat[name] for name in ("image_auroc", "pixel_auroc", "aupro")}
        for name, value in self.metrics.items():
            if value is None:
                log.warning("%s cannot be computed: the test images lack %s", name, self._lacking(name))
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.run / "scores.csv", text.getvalue())

    def _lacking(self, name: str) -> str:
        if not self.samples:
            return "everything: there are none"
        labels = {sample.label for sample in self.samples}
        if 0 not in labels and name != "tpr":
            return "a normal one"
        return "a defective one" if 1 not in labels else "ground-truth masks"
