"""How TPR, TNR and F1 depend on a_min, which the paper leaves open, and on the rate of false alarms α that is allowed for.

For each a_min the threshold is calibrated anew on the run's held-out normal images, and applied to its test images. Nothing is
chosen here: the curve says how much the choice matters.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration import quiet_level, quiet_levels
from anomaly_lab.report.tables import Table, measured, plain
from anomaly_lab.rules import operating_point

STEPS = 4  # values of a_min in each direction from the run's own, a factor of 2 apart


class Row(NamedTuple):
    """What comes of one a_min or α, `at`; a figure is None where it is undefined."""

    at: float
    threshold: float
    tpr: float | None
    tnr: float | None
    f1: float | None


def flip(heatmap: NDArray[np.floating], min_area: int) -> float | None:
    """The smallest threshold at which the image counts as normal (`calibration.quiet_level`). None where the image has fewer
    pixels than `min_area` and is never detected."""
    return _finite(quiet_level(heatmap, min_area))


def areas(own: int) -> list[int]:
    """a_min from own / 2^STEPS to own · 2^STEPS."""
    return sorted({max(1, round(own * 2.0**i)) for i in range(-STEPS, STEPS + 1)})


class Curve:
    """Give it the heatmaps (H, W) of the held-out normal images, then those of the test images, one at a time."""

    def __init__(self, own: int) -> None:
        self.own, self.areas = own, areas(own)  # a_min of the run, and all
        self.normal: list[list[float]] = []  # quiet levels at each of them
        self.tested: list[list[float]] = []
        self.labels: list[int] = []
        self.lowest = np.inf

    def calibrate(self, heatmaps: Iterable[NDArray[np.floating]]) -> Iterator[float | None]:
        """Take them in; yields each image's flip at the run's own a_min."""
        for heatmap in heatmaps:
            self.lowest = min(self.lowest, float(heatmap.min()))
            self.normal.append(quiet_levels(heatmap, self.areas))
            yield _finite(self.normal[-1][self.areas.index(self.own)])

    def add(self, heatmap: NDArray[np.floating], label: int) -> None:
        self.tested.append(quiet_levels(heatmap, self.areas))
        self.labels.append(label)

    def rows(self) -> list[Row]:
        """One for each a_min, at the threshold that `area_threshold` gives."""
        found = []
        for i, a in enumerate(self.areas):
            threshold = max(self.lowest, *(levels[i] for levels in self.normal))
            found.append(_row(a, threshold, [levels[i] for levels in self.tested], self.labels))
        return found


def over_alpha(normal: Sequence[float | None], tested: Sequence[tuple[float | None, int]]) -> list[Row]:
    """For each α = k/(n + 1) that n held-out normal images can show, k = 1 … n: the threshold is the k-th highest of their
    flips. If they and a new normal image are exchangeable, the new one's flip exceeds it with probability α at most (split
    conformal prediction). `tested`: (flip, label) of each test image."""
    thresholds = sorted((_level(f) for f in normal), reverse=True)
    levels, labels = [_level(f) for f, _ in tested], [label for _, label in tested]
    return [_row(k / (len(thresholds) + 1), t, levels, labels) for k, t in enumerate(thresholds, start=1)]


def _row(at: float, threshold: float, levels: Sequence[float], labels: Sequence[int]) -> Row:
    point = operating_point(threshold, levels, labels)
    return Row(at, threshold, point["tpr"], point["tnr"], point["image_f1"])


def _finite(level: float) -> float | None:
    return level if np.isfinite(level) else None


def _level(flip: float | None) -> float:
    return -np.inf if flip is None else flip


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
