"""From scored test images to metrics.json, scores.csv, levels.csv and metrics_by_defect.csv."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_lab.build import TARGET
from anomaly_lab.calibration.calibrate import LEARNT, LEVELS, level_rows
from anomaly_lab.calibration.levels import detect
from anomaly_lab.calibration.pixels import PixelRates
from anomaly_lab.calibration.rules import p_value, promised
from anomaly_lab.data.folder import NORMAL, Sample
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.files import replacing, write_csv
from anomaly_lab.metrics.aupimo import Aupimo
from anomaly_lab.metrics.pooled import ImageMetrics, PixelMetrics, pooled
from anomaly_lab.model import Model
from anomaly_lab.scored import Scored
from anomaly_lab.scoring.trivial import References
from anomaly_lab.scoring.worth import Worth

log = logging.getLogger(__name__)
SCORES = ("path", "defect", "label", "score", "predicted", "level", "p_value", "unlike")  # columns of scores.csv
BY_DEFECT = ("defect", "n", "n_normal", "image_auroc", "tpr", "pixel_auroc", "pixel_ap", "aupro")


class Results:
    """Metrics of the test images, and one row per image.

    `more`: further metrics, with the methods `update(scored, mask)` and `compute()` → {name: value}. The results:

    - `rows`: the rows of scores.csv.
    - `levels`: the test images' rows of levels.csv.
    - `metrics`, after `conclude`: all metrics, those of the trivial references and those of `more`; None if undefined.
    """

    def __init__(self, module: Model, samples: Sequence[Sample], root: Path, more: Iterable[Any] = ()) -> None:
        self.module, self.samples, self.root, self.more = module, samples, root, [Aupimo(), *more]
        self.threshold, self.min_area = float(module.threshold), int(module.hparams["min_area"])
        kinds = sorted({sample.defect for sample in samples})
        self.image = {kind: ImageMetrics() for kind in kinds}
        self.pixel = {kind: PixelMetrics() for kind in kinds}
        hparams = module.hparams
        self.references = References(hparams["mean_color"], hparams["scoring"]["sigma"], module.pooling)
        maps = maps_of(hparams["scoring"])
        fusion: Any = getattr(module.scorer, "fusion", None)  # a scorer of one's own may have none
        self.worth = Worth(maps, fusion.weights, module.pooling) if fusion and len(maps) > 1 else None
        self.rates = PixelRates(hparams["calibration"].get("pixel_threshold", np.nan))
        self.rows: list[dict[str, Any]] = []
        self.levels: list[dict[str, Any]] = []
        self.metrics: dict[str, float | None] = {}
        self.unmasked = 0  # defective images without a mask, which take no part in pixel metrics
        self.covered: list[Path] = []  # masks that mark over half of their image: they may be inverted
        self.unlike: Counter[str] = Counter()  # quantity → images that lie beyond the training's range

    def add(self, scored: Scored) -> NDArray[np.bool_]:
        """Add one image. Returns its mask (H, W), True for pixels of detected defects."""
        sample, heatmap = scored.sample, torch.from_numpy(scored.heatmap)
        mask = detect(scored.heatmap, self.threshold, self.min_area)
        predicted = int(mask.any())
        self.image[sample.defect].update(torch.tensor(scored.score), sample.label, predicted)
        truth = None if scored.truth is None else torch.from_numpy(scored.truth)
        self.references.update(scored.plain, scored.heatmap.shape, sample.label, truth)
        if self.worth is not None and scored.parts is not None:
            self.worth.update(scored.parts, scored.heatmap.shape, sample.label, truth)
        if truth is not None:
            self.rates.update(scored.heatmap, sample.label, truth.numpy())
            self.pixel[sample.defect].update(heatmap, truth, torch.from_numpy(mask))
            if sample.mask is not None and truth.float().mean() > 0.5:
                self.covered.append(sample.mask)
        self.unmasked += int(scored.truth is None)
        self.unlike.update(scored.unlike)
        for metric in self.more:
            metric.update(scored, mask)
        levels = level_rows("test", sample, self.root, scored.heatmap, self.min_area)
        level = next(row["level"] for row in levels if row["min_area"] == self.min_area)
        normal = self.module.hparams["calibration"].get("levels")
        # repr keeps all digits, so that metrics can be recomputed from the file
        row_score, p = repr(scored.score), "" if normal is None else f"{p_value(level, normal):.6g}"
        values = (levels[0]["path"], sample.defect, sample.label, row_score, predicted, level, p, " ".join(scored.unlike))
        self.rows.append(dict(zip(SCORES, values, strict=True)))
        self.levels += levels
        return mask

    def conclude(self) -> None:
        """Compute the metrics, and log a warning for each that is undefined."""
        for of_kind in self.pixel.values():
            of_kind.fold()  # counts pixels once; `by_defect` would count normal ones again for each kind of defect
        image, pixel = pooled(ImageMetrics, self.image.values()), pooled(PixelMetrics, self.pixel.values())
        self.metrics = {**image.compute(), **pixel.compute(), **self.rates.compute()}
        for metric in self.more:
            self.metrics |= metric.compute()
        for name, value in self.metrics.items():
            if value is None:
                log.warning("%s cannot be computed: the test images lack %s", name, self._lacking(name))
        self.metrics |= self.references.compute()
        self.metrics |= {} if self.worth is None else self.worth.compute()
        self.metrics["pixel_bound"] = self.metrics.pop("pixel_bound")  # the last column: it is no result
        defective = sum(sample.label for sample in self.samples)
        if 0 < self.unmasked < defective:
            log.warning("%d of %d defective images have no mask: pixel metrics leave them out", self.unmasked, defective)
        if self.covered:
            which = f"{len(self.covered)} masks mark over half of their image, such as {self.covered[0]}"
            log.warning("%s: if they are inverted, white for normal pixels, all pixel metrics are wrong", which)
        if odd := self.odd():
            remedy = "; data.rescale= of evaluate brings them to the training's resolution" if self.unlike["size"] else ""
            counts = f"{len(odd)} of {len(self.rows)} images are unlike the training's in {self.how_unlike()}"
            log.warning("%s, such as %s: their scores say little%s", counts, odd[0], remedy)

    def odd(self) -> list[str]:
        """The paths of the images that are unlike the training's."""
        return [row["path"] for row in self.rows if row["unlike"]]

    def how_unlike(self) -> str:
        """How many images are unlike the training's in which quantity, such as "size (12), brightness (3)"."""
        return ", ".join(f"{name} ({count})" for name, count in self.unlike.most_common())

    def write(self, directory: Path, held_out: Sequence[Mapping[str, Any]]) -> None:
        """Write scores.csv, levels.csv and metrics_by_defect.csv. `held_out`: the held-out images' rows of levels.csv."""
        write_csv(directory / "scores.csv", SCORES, self.rows)
        write_csv(directory / "levels.csv", LEVELS, [*held_out, *self.levels])
        write_csv(directory / "metrics_by_defect.csv", BY_DEFECT, self.by_defect())

    def by_defect(self) -> list[dict[str, Any]]:
        """One row per kind of defect, with the metrics of its images and all normal ones. An undefined metric is ""."""
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
        if name.startswith(("pixel", "aupro", "aupimo")) and all(s.mask is None for s in self.samples):
            return "ground-truth masks"
        return "a normal one"


def maps_of(scoring: Mapping[str, Any]) -> list[str]:
    """The names of the maps that the heatmap is made of."""
    evidence = scoring["evidence"]
    return [evidence] if isinstance(evidence, str) else [each.get("name") or each[TARGET] for each in evidence]


def write_heatmap(scored: Scored, directory: Path) -> None:
    """Write heatmaps/<defect>/<stem>.npy (float32) and truth/<defect>/<stem>.png (0 or 255), both at the stored size."""
    sample = scored.sample
    with replacing(directory / "heatmaps" / sample.defect / f"{sample.path.stem}.npy") as temporary:
        np.save(temporary, scored.heatmap)
    if scored.truth is not None:
        with replacing(directory / "truth" / sample.defect / f"{sample.path.stem}.png") as temporary:
            cv2.imwrite(str(temporary), scored.truth.astype(np.uint8) * 255)


def metrics_record(
    config: Any, module: Model, data: ScoringData, results: Results, training: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of metrics.json, one flat object: the metrics and their protocol.

    `training`: entries about the training: steps, train_seconds, device, proxy_ap, n_train, train_size. A parameter of the
    calibration rule becomes calibration_<parameter>.
    """
    hparams, rule, scoring = module.hparams, module.hparams["calibration"], module.hparams["scoring"]
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
        "relative_error": float(module.relative_error) if torch.isfinite(module.relative_error) else None,
        "threshold": float(module.threshold),
        "pixel_threshold": rule.get("pixel_threshold"),
        "false_alarm_rate": promised(float(module.threshold), rule["levels"]) if rule.get("levels") else None,
        "min_area": hparams["min_area"],
        "calibration": rule["name"],
        **{f"calibration_{name}": value for name, value in rule.items() if name not in (TARGET, "name", *LEARNT)},
        "score_pooling": scoring["pooling"]["name"],
        "scorer": scoring["scorer"]["name"],
        "evidence": "+".join(maps_of(scoring)),
        "evidence_weights": "+".join(f"{w:g}" for w in scoring.get("weights") or ()) or "equal",
        "sigma": scoring["sigma"],
        "n_validation": len(rule.get("levels") or ()),
        "n_test": len(data.test),
        "n_unmasked": results.unmasked,
        "n_covered": len(results.covered),
        "n_unlike": len(results.odd()),
        "unlike": results.how_unlike(),
        "rescale": hparams["preprocessing"]["rescale"],
        "align": hparams["preprocessing"].get("align", False),
    }
