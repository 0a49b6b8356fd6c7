"""The row of an image that nobody has labelled: what is decided about it, and how sure that is."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_lab.calibration.levels import quiet_level
from anomaly_lab.calibration.rules import p_value
from anomaly_lab.data.likeness import unlike
from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.contact import Picture
from anomaly_lab.pipeline.deciders import Decider, Decision
from anomaly_lab.pipeline.reading import name_of, opened
from anomaly_lab.pipeline.saved import Decided, Opened, defects_of, drawn, remove, save
from anomaly_lab.show.overlay import cell

Row = dict[str, Any]
Draw = Callable[[], Picture]
COLUMNS = (
    "path",
    "score",
    "level",
    "p_value",
    "margin",
    "defective",
    "n_defects",
    "defects",
    "height",
    "width",
    "unlike",
    "ms",
    "error",
)


def row_of(decider: Decider, kinds: frozenset[str], out: Path, path: Path, item: Opened | str) -> tuple[Row, Draw | None]:
    """(the row of an image, what draws its cell of the contact sheet). Its pictures are written before. A file that could not
    be read has a row with the reason, and no cell."""
    start = time.perf_counter()
    try:
        if isinstance(item, str):
            raise UserError(item)
        found = decider.decide(item)
    except UserError as error:
        remove(kinds, out, path)  # those of an earlier file of this name
        return {"path": name_of(path), "error": str(error)}, None
    level = quiet_level(found.heatmap, decider.min_area)
    decided = _decided(found)
    if kinds:
        save(kinds, out, path, item, decided, decider.threshold)
    row = {
        "path": str(path),
        "score": found.score,
        "level": level if np.isfinite(level) else None,
        "p_value": None if decider.levels is None else float(p_value(level, decider.levels)),
        "margin": level - decider.threshold if np.isfinite(level) else None,
        "defective": bool(decided.mask.any()),
        "defects": [{k: v for k, v in d.items() if k != "polygons" or "coco" in kinds} for d in decided.defects],
        "height": item.size[0],
        "width": item.size[1],
        "unlike": list(unlike(item.seen, decider.profile)),
        "ms": round(1000 * (time.perf_counter() - start), 1),
        "error": None,
    }
    return row, lambda: _cell(decider, path, item, decided, found.score)


def cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's cells in predictions.csv. A defect is written as "x y width height area peak"; defects are parted by ";"."""
    found = {name: "" if row.get(name) is None else row[name] for name in COLUMNS if name != "defects"}
    defects = row.get("defects")
    if defects is not None:
        found["n_defects"] = len(defects)
        found["defects"] = "; ".join(" ".join(f"{v:g}" for v in (*d["box"], d["area"], d["peak"])) for d in defects)
        found["defective"], found["unlike"] = int(row["defective"]), " ".join(row["unlike"])
    return found


def cell_again(decider: Decider, path: Path) -> Picture | None:
    """The cell of an image that another start or process scored; None if it can't be read any more."""
    for _, image in opened([path], decider.preprocessing, 1):
        if isinstance(image, Opened):
            found = decider.decide(image)
            return _cell(decider, path, image, _decided(found), found.score)
    return None


def _cell(decider: Decider, path: Path, image: Opened, decided: Decided, score: float) -> Picture:
    """The image's cell on contact.png."""
    return cell(drawn(image, decided, decider.threshold), f"{score:.3g} {path.parent.name}/{path.name}")


def _decided(found: Decision) -> Decided:
    return Decided(found.heatmap, found.mask, defects_of(found.heatmap, found.mask))
