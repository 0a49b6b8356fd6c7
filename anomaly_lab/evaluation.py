"""After training: calibrate the threshold on held-out normal images, then score the test images and write what came out."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
from torch import Tensor

from anomaly_lab.atomic import replacing, write_csv
from anomaly_lab.build import build
from anomaly_lab.calibration import detect, quiet_levels
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.folder import NORMAL, Sample
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.data.statistics import evenly
from anomaly_lab.errors import UserError
from anomaly_lab.metrics import ImageMetrics, PixelMetrics, pooled
from anomaly_lab.module import AnomalyModule
from anomaly_lab.residuals import Halves, Observed, ResidualModel, halved, observed
from anomaly_lab.rules import areas_around, p_value

log = logging.getLogger(__name__)
FIT = 16  # held-out images that the normal error is learnt from: of 512² they hold 3·10⁵ places, more change nothing
FOLDS = 4  # parts of them, each scored by what the others taught: with nine images a model keeps six at least
SCORES = ("path", "defect", "label", "score", "predicted", "level", "p_value")
LEVELS = ("split", "path", "label", "min_area", "level")
Model = ResidualModel | Halves
BY_DEFECT = ("defect", "n", "n_normal", "image_auroc", "tpr", "pixel_auroc", "pixel_ap", "aupro")


class Levels(L.Callback):
    """The quiet levels of held-out normal images, at the run's min_area and around it, as rows of levels.csv.

    Used around a prediction; the heatmaps themselves are not kept. `models`: for each image, what scores it.
    """

    def __init__(self, samples: Sequence[Sample], root: Path, min_area: int, models: Sequence[Model | None]) -> None:
        self.samples, self.root, self.min_area, self.models = samples, root, min_area, models
        self.rows: list[dict[str, Any]] = []

    def on_predict_batch_start(
        self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        pl_module.scorer.residuals = self.models[batch["index"]]

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        heatmap = outputs["heatmap"].float().cpu().numpy()
        self.rows += level_rows("validation", self.samples[batch["index"]], self.root, heatmap, self.min_area)


def level_rows(split: str, sample: Sample, root: Path, heatmap: np.ndarray, min_area: int) -> list[dict[str, Any]]:
    """Rows of levels.csv for one image."""
    path = sample.path.relative_to(root).as_posix()
    common = {"split": split, "path": path, "label": sample.label}
    areas = areas_around(min_area)
    return [common | {"min_area": a, "level": level} for a, level in zip(areas, quiet_levels(heatmap, areas), strict=True)]


def calibrate(trainer: L.Trainer, module: AnomalyModule, data: AnomalyDataModule | ScoringData) -> list[dict[str, Any]]:
    """Learn what error is normal and set `module.threshold` by the module's rule, both from the held-out normal images; returns
    their rows of levels.csv.

    An image's level comes from what the others taught (`cross_fitted`): its own would be lower than that of a new image.
    UserError where min_area is more than the images have pixels, so that nothing could be detected.
    """
    module.trainer = trainer
    models = cross_fitted(module, data)
    of_all, min_area = module.scorer.residuals, module.hparams["min_area"]
    levels = Levels(data.held_out, data.found.root, min_area, models)  # type: ignore[union-attr]
    trainer.callbacks.append(levels)  # type: ignore[attr-defined]
    try:
        trainer.predict(module, dataloaders=data.calibration_dataloader(), return_predictions=False)
    finally:
        trainer.callbacks.remove(levels)  # type: ignore[attr-defined]
        module.scorer.residuals = of_all
    normal = sorted(row["level"] for row in levels.rows if row["min_area"] == min_area)
    rule = {k: v for k, v in module.hparams["calibration"].items() if k != "levels"}
    threshold = build(rule)(normal)
    if not np.isfinite(threshold):
        raise UserError(f"category.min_area is {min_area}: no validation image has as many pixels, so choose a smaller one")
    module.threshold.fill_(threshold)
    module.hparams["calibration"] = rule | {"levels": normal}
    return levels.rows


def cross_fitted(module: AnomalyModule, data: AnomalyDataModule | ScoringData) -> list[Model | None]:
    """Fit the module's model of the normal error on held-out images, and give for each of them a model that has not seen it.

    An error that a model was fitted to looks more normal to it than that of a new image: with nine images, thresholds from
    the same nine called a third of new normal images defective. A single image is scored half by half, each by what the other
    half taught. A plain error learns nothing: None for each.
    """
    count = len(data.held_out)
    if count == 1:
        log.warning(
            "There is one held-out image, and the threshold is its level alone: expect half of all normal images to be called "
            "defective. Add normal images, or raise data.validation_share."
        )
    if module.scorer.residuals is None:
        return [None] * count
    pairs = module.scorer.normal_pairs(module, data.clean_images(FIT))
    images = [[observed(*pair) for pair in of_one] for of_one in pairs]
    module.scorer.residuals.fit([seen for of_one in images for seen in of_one])
    if count == 1:
        left, right = zip(*(halved(seen) for seen in images[0]), strict=True)
        return [Halves(fitted(left, module), fitted(right, module))]
    models: list[Model | None] = [module.scorer.residuals] * count  # right for those that it was not fitted on
    folds = min(FOLDS, len(images))
    for fold in range(folds):
        others = fitted([seen for i, of_one in enumerate(images) if i % folds != fold for seen in of_one], module)
        for place in evenly(count, FIT)[fold::folds]:
            models[place] = others
    return models


def fitted(images: Sequence[Observed], module: AnomalyModule) -> ResidualModel:
    """Of these images, where the module is."""
    model = ResidualModel().to(module.device)
    model.fit(images)
    return model


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
