"""The F1 of the best threshold, which only the test images could tell. Add it with +metrics=f1_max."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ImageF1Max:
    """image_f1_max: the highest F1 = 2 tp / (2 tp + fp + fn) of all thresholds on the image scores; None without a defect.

    A detector needs its threshold in advance: the difference from image_f1 is the cost of the calibrated threshold.
    """

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.labels: list[int] = []

    def update(self, scored: Any, mask: NDArray[np.bool_]) -> None:
        """Add a scored test image."""
        self.scores.append(scored.score)
        self.labels.append(scored.sample.label)

    def compute(self) -> dict[str, float | None]:
        """The metric over all images so far."""
        scores, label = np.asarray(self.scores), np.asarray(self.labels, bool)
        if not label.any():
            return {"image_f1_max": None}
        detected = scores[:, None] >= np.unique(scores)  # one column per threshold
        tp = (detected & label[:, None]).sum(0)
        return {"image_f1_max": float((2 * tp / (detected.sum(0) + label.sum())).max())}
