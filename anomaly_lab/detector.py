"""A trained run in Python: it takes an image and gives a decision."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.images import read_image
from anomaly_lab.data.likeness import unlike
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.runs.trained import load
from anomaly_lab.scored import look, preprocessing_of

log = logging.getLogger(__name__)


class Detection(NamedTuple):
    """The result for one image (H, W). If the run rescales images, H and W are those of the rescaled image.

    - `score`: the anomaly score, as in scores.csv.
    - `defective`: whether the mask has any pixel.
    - `heatmap`: (H, W) float32, in the units of `Detector.threshold`.
    - `mask`: (H, W) bool, True for pixels of detected defects.
    """

    score: float
    defective: bool
    heatmap: NDArray[np.float32]
    mask: NDArray[np.bool_]


class Detector:
    """A trained run as a function: `Detector(run)(image)` → `Detection`. It uses the run's device and precision.

    `run`: a directory that `python -m anomaly_lab.train` has made. A defect is a component of {heatmap > threshold} with at
    least `min_area` pixels; both attributes can be changed. UserError for a run that is missing, not calibrated or damaged.
    """

    def __init__(self, run: str | Path) -> None:
        trained = load(run)
        self._module = trained.module
        self.threshold, self.min_area = trained.threshold, int(self._module.hparams["min_area"])

    def __call__(self, image: str | Path | NDArray[np.uint8]) -> Detection:
        """Score an image: the path of a PNG, JPEG, WebP, BMP or TIFF file, or pixels, uint8 (H, W, 3) RGB or (H, W, 1) grey.

        Logs a warning for an image that is unlike the training images. UserError for a file that can't be read. ValueError for
        pixels of another type or shape.
        """
        pixels = image if isinstance(image, np.ndarray) else read_image(Path(image))
        if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
            raise ValueError(f"an image must be uint8 (H, W, 3) RGB or (H, W, 1), got {pixels.dtype} {pixels.shape}")
        X, size, seen, way = prepared(pixels, preprocessing_of(self._module))
        found = look(self._module, X, size, way=way)
        mask = detect(found.heatmap, self.threshold, self.min_area)
        if odd := unlike(seen, self._module.hparams["profile"]):
            which = "an image" if isinstance(image, np.ndarray) else image
            log.warning("%s is unlike the training images in %s: its score says little", which, ", ".join(odd))
        return Detection(found.score, bool(mask.any()), found.heatmap, mask)

    def many(self, images: Iterable[str | Path]) -> Iterator[tuple[str | Path, Detection]]:
        """Yield (path, detection) for each image when the caller asks for it. No image is kept in memory."""
        for image in images:
            yield image, self(image)
