"""After training: calibrate the threshold on held-out normal images, then score the test images and write what came out."""

import logging
from pathlib import Path
from typing import Any, Protocol

import cv2
import lightning as L
import numpy as np
import torch
from lightning import LightningModule
from omegaconf import DictConfig
from torch import Tensor

from anomaly_lab.calibration.calibrate import LEVELS, level_rows
from anomaly_lab.calibration.levels import detect
from anomaly_lab.calibration.rules import p_value
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.folder import NORMAL, Sample
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.files import replacing, write_csv
from anomaly_lab.metrics.pooled import ImageMetrics, PixelMetrics, pooled
from anomaly_lab.module import AnomalyModule

log = logging.getLogger(__name__)
SCORES = ("path", "defect", "label", "score", "predicted", "level", "p_value")
BY_DEFECT = ("defect", "n", "n_normal", "image_auroc", "tpr", "pixel_auroc", "pixel_ap", "aupro")


def run_test(trainer: L.Trainer, module: AnomalyModule, data: AnomalyDataModule | ScoringData, results: "TestResults") -> None:
    """Score the test images; `results`, a callback of the trainer, has the metrics afterwards."""
    if data.test:
        trainer.test(module, dataloaders=data.test_dataloader(), verbose=False)
    else:
        results.conclude()  # Lightning calls no hook of a test without images


class TestResults(L.Callback):
    """Metrics over the test images, one row an image, and the heatmaps where they are asked for.

    `metrics` after the test: image_auroc, pixel_auroc, … (None where undefined), the same AUROCs of the trivial reference
    as flat_…; `rows`, one dict an image with the columns of scores.csv; `levels`, the rows of levels.csv.
    """

    __test__ = False  # not a test for pytest to collect

    def __init__(self, run: Path, samples: list[Sample], root: Path, save_heatmaps: bool) -> None:
        self.run, self.samples, self.root, self.save_heatmaps = run, samples, root, save_heatmaps
        kinds = sorted({sample.defect for sample in samples})
        self.image = {kind: ImageMetrics() for kind in kinds}
        self.pixel = {kind: PixelMetrics() for kind in kinds}
        self.flat_image, self.flat_pixel = ImageMetrics(), PixelMetrics()
        self.rows: list[dict[str, Any]] = []
        self.levels: list[dict[str, Any]] = []
        self.metrics: dict[str, float | None] = {}

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        sample = self.samples[batch["index"]]
        heatmap, truth = outputs["heatmap"].float().cpu(), batch["truth"]
        min_area = pl_module.hparams["min_area"]
        mask = torch.from_numpy(detect(heatmap.numpy(), float(pl_module.threshold), min_area))
        predicted = int(mask.any())
        self.image[sample.defect].update(outputs["score"], sample.label, predicted)
        self.flat_image.update(outputs["flat_score"], sample.label, 0)
        if truth is not None:
            self.pixel[sample.defect].update(heatmap, truth.cpu(), mask)
            self.flat_pixel.update(outputs["flat_heatmap"].float().cpu(), truth.cpu(), torch.zeros_like(mask))
        levels = level_rows("test", sample, self.root, heatmap.numpy(), min_area)
        level = next(row["level"] for row in levels if row["min_area"] == min_area)
        normal = pl_module.hparams["calibration"].get("levels")
        # repr of the double that the float32 score is: what is read back is what the metrics saw
        score, p = repr(float(outputs["score"].float())), "" if normal is None else f"{p_value(level, normal):.6g}"
        values = (levels[0]["path"], sample.defect, sample.label, score, predicted, level, p)
        self.rows.append(dict(zip(SCORES, values, strict=True)))
        self.levels += levels
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
        """Compute the metrics, say which can't be, and write scores.csv, levels.csv and metrics_by_defect.csv."""
        for of_kind in self.pixel.values():
            of_kind.fold()  # else the pixels of normal images would be counted again with each kind of defect
        image, pixel = pooled(ImageMetrics, self.image.values()), pooled(PixelMetrics, self.pixel.values())
        flat = {**self.flat_image.compute(), **self.flat_pixel.compute()}
        self.metrics = {**image.compute(), **pixel.compute()}
        self.metrics |= {f"flat_{name}": flat[name] for name in ("image_auroc", "pixel_auroc", "aupro")}
        for name, value in self.metrics.items():
            if value is None:
                log.warning("%s cannot be computed: the test images lack %s", name, self._lacking(name))
        self.metrics["pixel_bound"] = pixel.bound
        write_csv(self.run / "scores.csv", SCORES, self.rows)
        write_csv(self.run / "levels.csv", LEVELS, self.levels)
        write_csv(self.run / "metrics_by_defect.csv", BY_DEFECT, self.by_defect())

    def by_defect(self) -> list[dict[str, Any]]:
        """One row a kind of defect: its images against all normal ones, as if there were no others; "" where undefined."""
        rows = []
        normal = sum(sample.label == 0 for sample in self.samples)
        for kind in self.image:
            if kind == NORMAL:
                continue
            pair = [k for k in (NORMAL, kind) if k in self.image]
            image = pooled(ImageMetrics, (self.image[k] for k in pair)).compute()
            pixel = pooled(PixelMetrics, (self.pixel[k] for k in pair)).compute()
            row = {k: "" if v is None else repr(float(v)) for k, v in (image | pixel).items() if k in BY_DEFECT}
            rows.append({"defect": kind, "n": sum(s.defect == kind for s in self.samples), "n_normal": normal} | row)
        return rows

    def _lacking(self, name: str) -> str:
        if not self.samples:
            return "everything: there are none"
        labels = {sample.label for sample in self.samples}
        if 1 not in labels:
            return "a defective one"
        if name.startswith(("pixel", "aupro", "flat_pixel", "flat_aupro")) and all(s.mask is None for s in self.samples):
            return "ground-truth masks"
        return "a normal one"


class Scored(Protocol):
    """The images behind the numbers."""

    image_size: int
    held_out: list[Any]
    test: list[Any]


def metrics_record(
    config: DictConfig, module: LightningModule, data: Scored, results: TestResults, training: dict[str, Any]
) -> dict[str, Any]:
    """One flat object. `training`: what only the training knows: steps, train_seconds, selected_step, n_train, train_size."""
    hparams = module.hparams
    rule = hparams["calibration"]
    return {
        "data": config.data.name,
        "category": config.category.name,
        "objective": config.objective.name,
        "lam": config.objective.get("lam"),
        "corruption": config.corruption.name,
        "model": config.model.name,
        "seed": config.seed,
        "image_size": data.image_size,
        "stored_size": round(data.image_size / hparams["preprocessing"]["scale"]),  # longer side of the median image
        **training,
        **results.metrics,
        "threshold": float(module.threshold),  # type: ignore[arg-type, operator]
        "min_area": hparams["min_area"],
        "calibration": rule["name"],
        "calibration_parameter": rule.get("q", rule.get("alpha")),
        "score_pooling": hparams["scoring"]["pooling"],
        "error": hparams["scoring"]["error"],
        "sigma": hparams["scoring"]["sigma"],
        "n_validation": len(rule.get("levels") or ()),
        "n_test": len(data.test),
    }
