"""How TPR, TNR and F1 depend on a_min, which the paper leaves open, and on the rate of false alarms α that is allowed for.

For each a_min the threshold is calibrated anew on the run's held-out normal images, and applied to its test images. Nothing is
chosen here: the curve says how much the choice matters.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration import area_threshold, largest_component_area
from anomaly_lab.report.tables import Table, measured, plain

STEPS = 4  # values of a_min in each direction from the run's own, a factor of 2 apart


class Row(NamedTuple):
    """What comes of one a_min or α, `at`; a figure is None where it is undefined."""

    at: float
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

    def __init__(self, own: int) -> None:
        self.own = own  # a_min of the run
        self.threshold = dict.fromkeys(areas(own), -np.inf)
        self.counts = {a: np.zeros((2, 2), int) for a in self.threshold}  # label, predicted

    def calibrate(self, heatmaps: Iterable[NDArray[np.floating]]) -> Iterator[float | None]:
        """For each a_min what `area_threshold` gives, in one pass; yields each image's flip at the run's own a_min."""
        lowest = np.inf
        for heatmap in heatmaps:
            lowest = min(lowest, float(heatmap.min()))
            for a, so_far in self.threshold.items():
                if largest_component_area(heatmap, so_far) >= a:  # the images before may have asked for more
                    self.threshold[a] = area_threshold([heatmap], a)
            yield flip(heatmap, self.own)
        self.threshold = {a: max(t, lowest) for a, t in self.threshold.items()}

    def add(self, heatmap: NDArray[np.floating], label: int) -> None:
        for a, threshold in self.threshold.items():
            self.counts[a][label, int(largest_component_area(heatmap, threshold) >= a)] += 1

    def rows(self) -> list[Row]:
        found = []
        for a, ((tn, fp), (fn, tp)) in self.counts.items():
            found.append(_row(a, float(self.threshold[a]), tp, fn, fp, tn))
        return found


def over_alpha(normal: Sequence[float | None], tested: Sequence[tuple[float | None, int]]) -> list[Row]:
    """For each α = k/(n + 1) that n held-out normal images can show, k = 1 … n: the threshold is the k-th highest of their
    flips. If they and a new normal image are exchangeable, the new one's flip exceeds it with probability α at most (split
    conformal prediction). `tested`: (flip, label) of each test image."""
    levels = sorted((-np.inf if f is None else f for f in normal), reverse=True)
    rows = []
    for k, threshold in enumerate(levels, start=1):
        counts = np.zeros((2, 2), int)
        for level, label in tested:
            counts[label, int(level is not None and level > threshold)] += 1
        (tn, fp), (fn, tp) = counts
        rows.append(_row(k / (len(levels) + 1), float(threshold), tp, fn, fp, tn))
    return rows


def _row(at: float, threshold: float, tp: int, fn: int, fp: int, tn: int) -> Row:
    return Row(at, threshold, _ratio(tp, tp + fn), _ratio(tn, tn + fp), _ratio(2 * tp, 2 * tp + fp + fn))


def tables(curves: Sequence[dict[str, Any]]) -> list[Table]:
    """`curves`: {"data", "category", "setting", "seed", "own": a_min of the run, "min_area" and "alpha": rows} each."""
    area = (
        "The threshold of each a_min is the smallest at which no component of any held-out normal heatmap has a_min pixels. To "
        "take the best row would be to choose by the test images."
    )
    alpha = (
        "α is the probability, at most, with which a normal image is called defective, if it and the held-out normal ones are "
        "exchangeable (split conformal prediction, a_min as in the run); it holds on average over such draws, not for each. "
        "The smallest α that n held-out images can show is 1/(n + 1), where the threshold is the run's own."
    )
    found = [
        _table(curves, "min_area", "TPR, TNR and F1 over a_min", "a_min (px)", area),
        _table(curves, "alpha", "TPR, TNR and F1 over α", "α", alpha),
    ]
    return [t for t in found if t.rows]


def _table(curves: Sequence[dict[str, Any]], name: str, title: str, what: str, note: str) -> Table:
    rows = [
        [*(plain(c[k]) for k in ("data", "category", "setting", "seed"))]
        + [plain(int(r.at)) if name == "min_area" else measured(r.at), plain(r.threshold)]
        + [measured(x) for x in (r.tpr, r.tnr, None if r.tpr is None or r.tnr is None else (r.tpr + r.tnr) / 2, r.f1)]
        + [plain("the run's own" if name == "min_area" and r.at == c["own"] else "")]
        for c in curves
        for r in c[name]
    ]
    measures = ("TPR", "TNR", "mean of TPR and TNR", "image F1")
    columns = ["data", "category", "setting", "seed", what, "threshold", *measures, "note"]
    return Table(name, title, columns, rows, [note])


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
