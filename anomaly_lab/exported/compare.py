"""An exported file against the run that it was made from: image by image, through `scored.score` and the file's own runtime."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from anomaly_lab.calibration.levels import detect, quiet_level
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image
from anomaly_lab.exported.runtime import Exported
from anomaly_lab.metrics.pooled import PixelMetrics
from anomaly_lab.model import Model
from anomaly_lab.progress import watched
from anomaly_lab.scored import score

FLOAT32 = "32-true"
ROUNDING = 1e-6  # of the threshold; float32 holds 6e-8 of a value


@dataclass
class Agreement:
    """Over `images` images: the largest differences of a heatmap's value and of a score, and the pixels whose mask differs.

    `disagreeing`: the images that are decided differently. `at_threshold`: those of them that do not count, since the run's own
    decision rests on rounding: their level is the threshold itself, as that of the held-out image which set it. `aupro` and
    `aupro_run`: of the file and of the run, None if the images have no ground truth.
    """

    images: int = 0
    heatmap: float = 0.0
    score: float = 0.0
    pixels: int = 0
    disagreeing: list[str] = field(default_factory=list)
    at_threshold: list[str] = field(default_factory=list)
    aupro: float | None = None
    aupro_run: float | None = None


def compare(module: Model, exported: Exported, samples: Sequence[Sample], precision: str, labelled: bool) -> Agreement:
    """Score the samples with both. `precision`: of the run's network, see `scoring.forward.AUTOCAST`.

    `labelled`: whether the samples' masks are known, for AUPRO.
    """
    found, threshold, area = Agreement(), float(module.threshold), int(module.hparams["min_area"])
    metrics = PixelMetrics(), PixelMetrics()
    known, module.precision = module.precision, precision
    try:
        for scored in watched(score(module, samples), f"Comparing with the run in {precision}", len(samples)):
            other = exported(read_image(scored.sample.path))
            mask = detect(scored.heatmap, threshold, area)
            found.images += 1
            found.heatmap = max(found.heatmap, float(np.abs(other.heatmap - scored.heatmap).max()))
            found.score = max(found.score, abs(other.score - scored.score))
            found.pixels += int((other.mask != mask).sum())
            if other.defective != bool(mask.any()):
                level = quiet_level(scored.heatmap, area)
                tie = abs(level - threshold) <= ROUNDING * abs(threshold)
                (found.at_threshold if tie else found.disagreeing).append(str(scored.sample.path))
            if labelled and scored.truth is not None:
                truth = torch.from_numpy(scored.truth)
                for metric, heatmap, decided in zip(metrics, (other.heatmap, scored.heatmap), (other.mask, mask), strict=True):
                    metric.update(torch.from_numpy(heatmap), truth, torch.from_numpy(decided))
    finally:
        module.precision = known
    if labelled:
        found.aupro, found.aupro_run = (_aupro(metric) for metric in metrics)
    return found


def _aupro(metric: Any) -> float | None:
    value = metric.compute().get("aupro")
    return None if value is None else float(value)
