"""Calibrate a trained module: learn the normal error and set the threshold, both from held-out normal images."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np

from anomaly_lab.build import build
from anomaly_lab.calibration.levels import quiet_levels
from anomaly_lab.calibration.rules import areas_around
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.data.statistics import evenly
from anomaly_lab.errors import UserError
from anomaly_lab.module import AnomalyModule
from anomaly_lab.scoring.normal_error import Halves, Observed, ResidualModel, halved, observed

log = logging.getLogger(__name__)
FIT = 16  # held-out images that the normal error is learnt from: of 512² they hold 3·10⁵ places, more change nothing
FOLDS = 4  # parts of them, each scored by what the others taught: with nine images a model keeps six at least
LEVELS = ("split", "path", "label", "min_area", "level")
Model = ResidualModel | Halves


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
