"""How TPR, TNR and F1 depend on a_min, which the paper leaves open.

For each a_min the threshold is calibrated anew on the run's held-out normal images, and applied to its test images. Nothing is
chosen here: the curve says how much the choice matters.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration import area_threshold, largest_component_area
from anomaly_lab.report.tables import Table, measured, plain

STEPS = 4  # values of a_min in each direction from the run's own, a factor of 2 apart


class Row(NamedTuple):
    """What comes of one a_min; a figure is None where it is undefined."""

    min_area: int
    threshold: float
    tpr: float | None
    tnr: float | None
    f1: float | None


def flip(heatmap: NDArray[np.floating], min_area: int) -> float | None:
    """The smallest threshold at which the image counts as normal: at every lower one a component of {heatmap > t} has
    `min_area` pixels, at it and above none has. None where the image has fewer pixels and is never detected."""
    return area_threshold([heatmap], min_area) if heatmap.size >= min_area else None


def areas(own: int) -> list[int]:
    """a_min from own / 2^STEPS to own · 2^STEPS."""
    return sorted({max(1, round(own * 2.0**i)) for i in range(-STEPS, STEPS + 1)})


class Curve:
    """Give it the heatmaps (H, W) of the held-out normal images, then those of the test images, one at a time."""

    def __init__(self, min_areas: Sequence[int]) -> None:
        self.threshold = dict.fromkeys(min_areas, -np.inf)
        self.counts = {a: np.zeros((2, 2), int) for a in min_areas}  # label, predicted

    def calibrate(self, heatmaps: Iterable[NDArray[np.floating]]) -> None:
        """For each a_min what `area_threshold` gives, in one pass."""
        lowest = np.inf
        for heatmap in heatmaps:
            lowest = min(lowest, float(heatmap.min()))
            for a, so_far in self.threshold.items():
                if largest_component_area(heatmap, so_far) >= a:  # the images before may have asked for more
                    self.threshold[a] = area_threshold([heatmap], a)
        self.threshold = {a: max(t, lowest) for a, t in self.threshold.items()}

    def add(self, heatmap: NDArray[np.floating], label: int) -> None:
        for a, threshold in self.threshold.items():
            self.counts[a][label, int(largest_component_area(heatmap, threshold) >= a)] += 1

    def rows(self) -> list[Row]:
        found = []
        for a, ((tn, fp), (fn, tp)) in self.counts.items():
            tpr, tnr, f1 = _ratio(tp, tp + fn), _ratio(tn, tn + fp), _ratio(2 * tp, 2 * tp + fp + fn)
            found.append(Row(a, float(self.threshold[a]), tpr, tnr, f1))
        return found


def table(curves: Sequence[dict[str, Any]]) -> Table | None:
    """`curves`: {"data", "category", "setting", "seed", "own": a_min of the run, "rows"}; None where there are none."""
    rows = [
        [*(plain(c[k]) for k in ("data", "category", "setting", "seed")), plain(r.min_area), plain(r.threshold)]
        + [measured(x) for x in (r.tpr, r.tnr, None if r.tpr is None or r.tnr is None else (r.tpr + r.tnr) / 2, r.f1)]
        + [plain("the run's own" if r.min_area == c["own"] else "")]
        for c in curves
        for r in c["rows"]
    ]
    if not rows:
        return None
    measures = ("TPR", "TNR", "mean of TPR and TNR", "image F1")
    columns = ["data", "category", "setting", "seed", "a_min (px)", "threshold", *measures, "note"]
    note = (
        "The threshold of each a_min is the smallest at which no component of any held-out normal heatmap has a_min pixels. To "
        "take the best row would be to choose by the test images."
    )
    return Table("min_area", "TPR, TNR and F1 over a_min", columns, rows, [note])


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
