"""Calibrate a trained module: learn what is normal and set the threshold, both from normal images alone.

This is the one place where a threshold is fitted.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_lab.build import build
from anomaly_lab.calibration.levels import quiet_levels
from anomaly_lab.calibration.pixels import PixelThreshold
from anomaly_lab.calibration.rules import FLAT_GREY, areas_around
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import UserError
from anomaly_lab.model import Model
from anomaly_lab.scored import Scored, score

log = logging.getLogger(__name__)
LEARNT = ("levels", "pixel_threshold")  # what a calibration adds to the record of its rule
LEVELS = ("split", "path", "label", "min_area", "level")  # columns of levels.csv
Watch = Callable[[Iterable[Scored], int], Iterable[Scored]]


def calibrate(
    module: Model,
    data: ScoringData,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    watch: Watch = lambda scored, _: scored,
    group: Callable[[Path], str] | None = None,
) -> list[dict[str, Any]]:
    """Let the scorer learn, and set `module.threshold` by the module's rule. Returns the held-out images' rows of levels.csv.

    Also sets `module.relative_error`: Σ ‖F(X) − X‖² / Σ ‖X − mean(X)‖² over the held-out images, 1 for a flat grey.

    `group`: path → the group of an image, such as its part. Images of one group are not independent: they count as one image,
    with the highest of their levels.

    An image's level comes from a scorer that has not learnt from it: its own level would be lower than that of a new image.
    `progress` follows the learning, `watch` the scoring. UserError where min_area is larger than the held-out images, so that
    nothing could be detected.
    """
    if len(data.held_out) == 1:
        log.warning(
            "There is one held-out image, and the threshold is its level alone: expect half of all normal images to be called "
            "defective. Add normal images, or raise data.validation_share."
        )
    module.eval()
    scorers = module.scorer.learn(module.F, data, progress=progress)
    min_area, rows, error, spread = module.hparams["min_area"], [], 0.0, 0.0
    pixels = PixelThreshold(len(data.held_out))
    for scored in watch(score(module, data.held_out, workers, scorers), len(data.held_out)):
        rows += level_rows("validation", scored.sample, data.found.root, scored.heatmap, min_area)
        pixels.update(scored.heatmap)
        if scored.output is not None:
            error += float((scored.output - scored.X).double().square().sum())
            spread += float((scored.X - scored.X.mean((-2, -1), keepdim=True)).double().square().sum())
    if module.reconstructs:
        module.relative_error.fill_(error / max(spread, 1e-12))
    if module.relative_error > FLAT_GREY:
        log.warning(
            "F(X) is hardly better than a flat grey: its relative error on held-out images is %.2f. Its heatmap does not "
            "rest on a reconstruction; train longer, or raise objective.lam.",
            float(module.relative_error),
        )
    highest: dict[str, float] = {}
    for row in (row for row in rows if row["min_area"] == min_area):
        name = row["path"] if group is None else group(data.found.root / row["path"])
        highest[name] = max(row["level"], highest.get(name, -np.inf))
    normal = sorted(highest.values())
    rule = {k: v for k, v in module.hparams["calibration"].items() if k not in LEARNT}
    threshold = build(rule)(normal)
    if not np.isfinite(threshold):
        raise UserError(f"category.min_area is {min_area}: no validation image has as many pixels, so choose a smaller one")
    module.threshold.fill_(threshold)
    module.hparams["calibration"] = rule | {"levels": normal, "pixel_threshold": pixels.compute()}
    return rows


def level_rows(split: str, sample: Sample, root: Path, heatmap: np.ndarray, min_area: int) -> list[dict[str, Any]]:
    """One row of levels.csv for each min_area around the run's: the image's quiet level there."""
    common = {"split": split, "path": sample.path.relative_to(root).as_posix(), "label": sample.label}
    areas = areas_around(min_area)
    return [common | {"min_area": a, "level": level} for a, level in zip(areas, quiet_levels(heatmap, areas), strict=True)]
