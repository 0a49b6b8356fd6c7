"""How TPR, TNR and F1 depend on a_min, which the paper leaves open, and on the rate of false alarms α that is allowed for.

Read from a run's levels.csv: the quiet level of each held-out normal and each test image at several a_min. For each a_min the
threshold is the highest level of the normal ones. Nothing is chosen here: the curve says how much the choice matters.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from anomaly_lab.calibration.rules import area
from anomaly_lab.metrics.curves import operating_point
from anomaly_lab.report.tables.table import Table, measured, plain


class Row(NamedTuple):
    """What comes of one a_min or α, `at`; a figure is None where it is undefined."""

    at: float
    threshold: float
    tpr: float | None
    tnr: float | None
    f1: float | None


class Levels(NamedTuple):
    """Quiet levels at one a_min: of the held-out normal images, of the test images, and the latter's labels."""

    normal: list[float]
    tested: list[float]
    labels: list[int]


def by_area(rows: Sequence[Mapping[str, str]]) -> dict[int, Levels]:
    """Rows of levels.csv → a_min, rising, → its levels. ValueError or KeyError for rows that are not of such a file."""
    found: dict[int, Levels] = {}
    for row in sorted(rows, key=lambda row: int(row["min_area"])):
        levels = found.setdefault(int(row["min_area"]), Levels([], [], []))
        if row["split"] == "validation":
            levels.normal.append(float(row["level"]))
        else:
            levels.tested.append(float(row["level"]))
            levels.labels.append(int(row["label"]))
    return found


def over_area(levels: Mapping[int, Levels]) -> list[Row]:
    """A row for each a_min that every held-out normal image has as many pixels as, at the paper's threshold."""
    return [
        _row(at, area(found.normal), found.tested, found.labels)
        for at, found in levels.items()
        if found.normal and min(found.normal) > float("-inf")
    ]


def over_alpha(levels: Levels) -> list[Row]:
    """For each α = k/(n + 1) that n held-out normal images can show, k = 1 … n: the threshold is the k-th highest of their
    levels. If they and a new normal image are exchangeable, the new one's level exceeds it with probability α at most (split
    conformal prediction)."""
    thresholds = sorted(levels.normal, reverse=True)
    return [_row(k / (len(thresholds) + 1), t, levels.tested, levels.labels) for k, t in enumerate(thresholds, start=1)]


def _row(at: float, threshold: float, levels: Sequence[float], labels: Sequence[int]) -> Row:
    point = operating_point(threshold, levels, labels)
    return Row(at, threshold, point["tpr"], point["tnr"], point["image_f1"])


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
    return Table(name, title, columns, rows, [note], folded=True)
