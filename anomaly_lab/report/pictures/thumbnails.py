"""The page's data of a run: thumbnails of every test image, and the threshold at which its decision changes."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import quiet_level
from anomaly_lab.data.folder import NORMAL
from anomaly_lab.metrics.curves import operating_point
from anomaly_lab.progress import watched
from anomaly_lab.report.pictures.rescored import Rescored
from anomaly_lab.report.tables.table import number
from anomaly_lab.show.gallery import to_image

SIDE = 128  # pixels of a thumbnail's longer side
QUALITY = 85  # of JPEG
EVEN_STOPS = 64  # evenly spaced stops of the slider, besides those at which a decision changes
RANGE = 1e4  # highest over lowest level of a thumbnail's heatmap; each of the 255 levels is 3.7 % above the one below


def payload(rescored: Rescored, setting: str) -> dict[str, Any]:
    """Data of plain types for the page, see gallery.js.

    An image is called defective exactly where threshold < flip. The page draws masks from thumbnails.
    """
    scored: list[dict[str, Any]] = []
    thumbnails = []
    tested, what = rescored.data.test, f"Scoring {rescored['category']}, seed {rescored['seed']}"
    for s in watched(rescored.score(tested), what, len(tested)):
        path = s.sample.path.relative_to(rescored.data.found.root).as_posix()
        image = {"path": path, "defect": s.sample.defect, "label": int(s.sample.defect != NORMAL), "score": s.score}
        image |= {"flip": flip(s.heatmap, rescored.min_area), "shrunk": _factor(s.heatmap) ** 2}
        image |= {"input": _jpeg(to_image(s.X)), "reconstruction": None if s.output is None else _jpeg(to_image(s.output))}
        truth = None if s.truth is None else _png(np.uint8(255) * (_small(s.truth.astype(np.float32)) > 0))
        scored.append({**image, "truth": truth})
        thumbnails.append(_small(s.heatmap))
    top = max((float(t.max()) for t in thumbnails), default=1.0) or 1.0
    # the scale of the heatmaps is known after the last image
    for image, thumbnail in zip(scored, thumbnails, strict=True):
        image["heatmap"] = _png(quantised(thumbnail, top))
    recorded = [row.get("predicted") for row in rescored.run.scores]
    ours = [str(int(rescored.threshold < image["flip"])) if image["flip"] is not None else "0" for image in scored]
    changed = sum(a != b for a, b in zip(ours, recorded, strict=False)) + abs(len(ours) - len(recorded))
    named = {"data": rescored.source, "category": rescored["category"], "setting": setting, "seed": rescored["seed"]}
    scales = {"threshold": rescored.threshold, "minArea": rescored.min_area, "top": top, "range": RANGE}
    choices = decisions(scored, rescored.threshold)
    return {**named, **scales, "stops": choices, "images": scored, "changed": changed}


def flip(heatmap: NDArray[np.floating], min_area: int) -> float | None:
    """The smallest threshold at which the image is called normal (`calibration.levels.quiet_level`).

    None if the image has fewer pixels than `min_area`: it is normal at every threshold.
    """
    level = quiet_level(heatmap, min_area)
    return level if np.isfinite(level) else None


def stops(flips: Sequence[float | None], threshold: float) -> list[float]:
    """The slider's thresholds in rising order: each at which a decision changes, the run's own, and evenly spaced ones."""
    known = [f for f in flips if f is not None]
    return sorted({*known, threshold, *np.linspace(0.0, max([*known, threshold]), EVEN_STOPS).tolist()})


def decisions(images: Sequence[Mapping[str, Any]], own: float) -> list[dict[str, Any]]:
    """For each stop of the slider the threshold, and counts and rates as texts: {id of an element of the page: text}."""
    levels = np.array([-np.inf if image["flip"] is None else image["flip"] for image in images])
    label = np.array([image["label"] for image in images], bool)
    found = []
    for t in stops([image["flip"] for image in images], own):
        predicted, point = levels > t, operating_point(t, levels, label)
        counts = {"tp": predicted & label, "fn": ~predicted & label, "fp": predicted & ~label, "tn": ~predicted & ~label}
        rates = {"tpr": point["tpr"], "tnr": point["tnr"], "mean": point["tpr_tnr_mean"], "f1": point["image_f1"]}
        texts = {name: str(int(of.sum())) for name, of in counts.items()} | {name: number(x) for name, x in rates.items()}
        found.append({"threshold": t, "texts": texts})
    return found


def quantised(heatmap: NDArray[np.float32], top: float) -> NDArray[np.uint8]:
    """A heatmap as levels: 1 … 255 are spaced evenly in the logarithm from top / RANGE to top; 0 is below.

    So a mask at a low threshold is as exact as one at a high threshold.
    """
    with np.errstate(divide="ignore"):
        level = 1 + 254 * (1 + np.log(np.maximum(heatmap, 0) / top) / np.log(RANGE))
    return np.clip(np.round(level), 0, 255).astype(np.uint8)


def _factor(image: NDArray[np.floating]) -> float:
    return min(1.0, SIDE / max(image.shape[:2]))


def _small(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image as a thumbnail, by averaging areas; a smaller image stays as it is."""
    factor = _factor(image)
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return image if factor == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _jpeg(image: NDArray[np.float32]) -> str:
    pixels = np.round(_small(image).clip(0, 1) * 255).astype(np.uint8)
    return _encoded(".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def _png(pixels: NDArray[np.uint8]) -> str:
    return _encoded(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _encoded(suffix: str, pixels: NDArray[np.uint8], options: list[int]) -> str:
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:
        raise ValueError(f"a thumbnail of shape {pixels.shape} could not be encoded as {suffix}")
    return base64.b64encode(data.tobytes()).decode("ascii")
