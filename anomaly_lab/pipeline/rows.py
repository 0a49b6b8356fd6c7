"""The row of an image that nobody has labelled: what is decided about it, and how sure that is."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect, quiet_level
from anomaly_lab.calibration.rules import p_value
from anomaly_lab.data.likeness import unlike
from anomaly_lab.module import AnomalyModule
from anomaly_lab.pipeline.contact import Picture
from anomaly_lab.pipeline.reading import name_of, opened
from anomaly_lab.pipeline.saved import Decided, Opened, defects_of, drawn, save
from anomaly_lab.scored import look, preprocessing_of

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


def row_of(module: AnomalyModule, kinds: frozenset[str], out: Path, path: Path, item: Opened | str) -> tuple[Row, Draw | None]:
    """(the row of an image, what draws its cell of the contact sheet). Its pictures are written before. A file that could not
    be read has a row with the reason, and no cell."""
    if isinstance(item, str):
        return {"path": name_of(path), "error": item}, None
    start = time.perf_counter()
    found = look(module, item.X, item.size)
    threshold = float(module.threshold)
    level = quiet_level(found.heatmap, int(module.hparams["min_area"]))
    decided = _decided(module, found.heatmap)
    if kinds:
        save(kinds, out, path, item, decided, threshold)
    normal = module.hparams["calibration"].get("levels")
    row = {
        "path": str(path),
        "score": found.score,
        "level": level if np.isfinite(level) else None,
        "p_value": None if normal is None else float(p_value(level, normal)),
        "margin": level - threshold if np.isfinite(level) else None,
        "defective": bool(decided.mask.any()),
        "defects": [{k: v for k, v in d.items() if k != "polygons" or "coco" in kinds} for d in decided.defects],
        "height": item.size[0],
        "width": item.size[1],
        "unlike": list(unlike(item.seen, module.hparams["profile"])),
        "ms": round(1000 * (time.perf_counter() - start), 1),
        "error": None,
    }
    return row, lambda: _cell(module, path, item, decided, found.score)


def cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's cells in predictions.csv. A defect is written as "x y width height area peak"; defects are parted by ";"."""
    found = {name: "" if row.get(name) is None else row[name] for name in COLUMNS if name != "defects"}
    defects = row.get("defects")
    if defects is not None:
        found["n_defects"] = len(defects)
        found["defects"] = "; ".join(" ".join(f"{v:g}" for v in (*d["box"], d["area"], d["peak"])) for d in defects)
        found["defective"], found["unlike"] = int(row["defective"]), " ".join(row["unlike"])
    return found


def cell_again(module: AnomalyModule, path: Path) -> Picture | None:
    """The cell of an image that another start or process scored; None if it can't be read any more."""
    for _, image in opened([path], preprocessing_of(module), 1):
        if isinstance(image, Opened):
            found = look(module, image.X, image.size)
            return _cell(module, path, image, _decided(module, found.heatmap), found.score)
    return None


def _cell(module: AnomalyModule, path: Path, image: Opened, decided: Decided, score: float) -> Picture:
    """The image's cell on contact.png."""
    from anomaly_lab.show.overlay import cell  # matplotlib takes half a second to load

    return cell(drawn(image, decided, float(module.threshold)), f"{score:.3g} {path.parent.name}/{path.name}")


def _decided(module: AnomalyModule, heatmap: NDArray[np.float32]) -> Decided:
    mask = detect(heatmap, float(module.threshold), int(module.hparams["min_area"]))
    return Decided(heatmap, mask, defects_of(heatmap, mask))
