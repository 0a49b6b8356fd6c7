"""TPR, TNR and F1 over a_min, which the paper leaves open, and over the rate of false alarms α.

They follow from a run's levels.csv: the quiet level of each held-out normal image and each test image at several a_min.
Nothing is chosen here: the curves show how much the choice matters.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from anomaly_lab.calibration.rules import area
from anomaly_lab.metrics.curves import operating_point
from anomaly_lab.report.read.run import Run


class Levels(NamedTuple):
    """Quiet levels at one a_min: of the held-out normal images (n,), of the test images (m,), and the labels of these (m,)."""

    normal: list[float]
    tested: list[float]
    labels: list[int]


class Point(NamedTuple):
    """The operating point for `at`, which is a_min in pixels or α in (0, 1). A rate is None if it is undefined."""

    at: float
    threshold: float
    tpr: float | None
    tnr: float | None
    f1: float | None


class Curves(NamedTuple):
    """The curves of one run. `setting`: the name of its setting; `min_area`: its own a_min in pixels."""

    run: Run
    setting: str
    min_area: int
    over_area: Sequence[Point]
    over_alpha: Sequence[Point]


def curves_of(run: Run, setting: str) -> Curves | None:
    """The curves of a run; None if its levels.csv is missing, damaged or without the run's own a_min."""
    own = int(run.metrics.get("min_area") or 0)
    try:
        levels = by_area(run.levels)
        return Curves(run, setting, own, over_area(levels), over_alpha(levels[own]))
    except (KeyError, TypeError, ValueError):
        return None


def by_area(rows: Sequence[Mapping[str, str]]) -> dict[int, Levels]:
    """Rows of levels.csv → {a_min: levels}, in rising order. ValueError or KeyError for rows of another kind."""
    found: dict[int, Levels] = {}
    for row in sorted(rows, key=lambda row: int(row["min_area"])):
        levels = found.setdefault(int(row["min_area"]), Levels([], [], []))
        (levels.normal if row["split"] == "validation" else levels.tested).append(float(row["level"]))
        if row["split"] != "validation":
            levels.labels.append(int(row["label"]))
    return found


def over_area(levels: Mapping[int, Levels]) -> list[Point]:
    """One point for each a_min at the paper's threshold: the highest level of the held-out normal images.

    An a_min is left out if a held-out image has fewer pixels than that.
    """
    known = ((at, found) for at, found in levels.items() if found.normal and min(found.normal) > float("-inf"))
    return [_point(at, area(found.normal), found) for at, found in known]


def over_alpha(levels: Levels) -> list[Point]:
    """One point for each α = k/(n + 1), k = 1 … n, that n held-out normal images can show.

    The threshold is the k-th highest of their levels. If they and a new normal image are exchangeable, the level of the new
    image exceeds it with a probability of at most α (split conformal prediction).
    """
    thresholds = sorted(levels.normal, reverse=True)
    return [_point(k / (len(thresholds) + 1), t, levels) for k, t in enumerate(thresholds, start=1)]


def _point(at: float, threshold: float, levels: Levels) -> Point:
    rates = operating_point(threshold, levels.tested, levels.labels)
    return Point(at, threshold, rates["tpr"], rates["tnr"], rates["image_f1"])
