"""Bootstrap intervals over test images: how far image AUROC would move with other images of the same kind.

Other seeds tell how much a training varies; they share the test images. These intervals tell what the images leave open.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.report.read.records import Group, Records, rank
from anomaly_lab.report.read.run import Run
from anomaly_lab.report.tables.comparison import signed
from anomaly_lab.report.tables.table import GAP, Cell, Table, measured, number, plain

LEVEL = 0.95
DRAWS = 2000  # the ends of an interval then vary by about .002
MOST = 4_000_000  # pairs of a defective and a normal image; larger test sets have intervals too narrow to matter


class Wins(NamedTuple):
    """`paths` of the images, defective ones first. `won` (P, N): 1 where the defective image of the row has a higher score than
    the normal one of the column, ½ where both are equal; their mean is the AUROC."""

    paths: tuple[str, ...]
    won: NDArray[np.float32]


def wins(run: Run) -> Wins | None:
    """The wins of a run's test; None without images of both classes, or with too many."""
    rows = sorted(run.scores, key=lambda row: (row["label"] == "0", row["path"]))
    defective = np.array([float(row["score"]) for row in rows if row["label"] != "0"])
    normal = np.array([float(row["score"]) for row in rows if row["label"] == "0"])
    if not 0 < defective.size * normal.size <= MOST:
        return None
    difference = defective[:, None] - normal
    return Wins(tuple(row["path"] for row in rows), ((difference > 0) + 0.5 * (difference == 0)).astype(np.float32))


def interval(won: NDArray[np.float32]) -> tuple[float, float]:
    """The bootstrap interval of the mean of `won` (P, N): its rows and its columns are drawn anew, so both classes keep their
    size."""
    rng = np.random.default_rng(0)
    counts = [rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float32) / n for n in won.shape]
    means = ((counts[0] @ won) * counts[1]).sum(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def tables(records: Records) -> list[Table]:
    """A row per setting and category, with the difference from a reference; no table without images of both classes."""
    rows: list[list[Cell]] = []
    for place in dict.fromkeys((g.source, g.place) for g in records.groups):
        found = {g.name: (g, _mean_wins(g)) for g in records.groups if (g.source, g.place) == place}
        known = {name: (g, wins) for name, (g, wins) in found.items() if wins is not None}
        reference = max(known, key=lambda name: rank(run.metrics.get("proxy_ap") for run in known[name][0].runs), default="")
        for name, (g, own) in known.items():
            against = known[reference][1]
            difference = own.won - against.won if name != reference and own.paths == against.paths else None
            rows.append(_row(g, own.won, difference, GAP if difference is None else reference))
    if not rows:
        return []
    note = (
        f"{LEVEL:.0%} bootstrap intervals ({DRAWS:,} draws) over the test images, defective and normal ones drawn apart, of "
        "the mean over the seeds, which share the images. “against” is the setting with the highest validation proxy on the "
        "same images. The difference is paired: both settings get the same draws."
    )
    columns = ["data", "category", "setting", "image AUROC", "interval", "against", "difference", "interval of the difference"]
    parts = {"interval": ("upper",), "interval of the difference": ("upper",)}
    return [Table("intervals", "Image AUROC over other test images", columns, rows, [note], parts)]


def _mean_wins(g: Group) -> Wins | None:
    """The wins, averaged over the seeds; None if a seed has none, or other images."""
    found = [wins(run) for run in g.runs]
    known = [f for f in found if f is not None]
    if len(known) < len(found) or len({f.paths for f in known}) != 1:
        return None
    return Wins(known[0].paths, np.mean([f.won for f in known], axis=0))


def _row(g: Group, won: NDArray[np.float32], difference: NDArray[np.float32] | None, against: str) -> list[Cell]:
    mean = None if difference is None else float(difference.mean())
    return [
        *map(plain, (g.source, g["category"], g.name)),
        measured(float(won.mean())),
        _interval(interval(won)),
        plain(against),
        Cell(signed(mean), (mean,)),
        Cell(GAP, (None, None)) if difference is None else _interval(interval(difference), sign=True),
    ]


def _interval(ends: Sequence[float], sign: bool = False) -> Cell:
    low, high = ((signed if sign else number)(end) for end in ends)
    return Cell(f"[{low}, {high}]", tuple(ends))
