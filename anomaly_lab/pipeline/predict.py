"""Decide about images that nobody has labelled: a row for each, as it comes, and pictures where they are wanted."""

import heapq
import logging
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anomaly_lab.calibration.drift import Drift, Shift
from anomaly_lab.calibration.levels import quiet_level
from anomaly_lab.calibration.rules import p_value, promised
from anomaly_lab.data.images import read_image
from anomaly_lab.data.inputs import arriving, inputs
from anomaly_lab.data.likeness import unlike
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.errors import Refused, UserError, as_sentence, is_text, printable
from anomaly_lab.files import digest, read_json, write_json
from anomaly_lab.pipeline.deciders import Decider, Decision, OfFile, OfRun
from anomaly_lab.pipeline.saved import Decided, Opened, defects_of, drawn, save, write_coco, write_sheet
from anomaly_lab.progress import watched
from anomaly_lab.runs import lock
from anomaly_lab.runs.journal import Journal

log = logging.getLogger(__name__)
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
RECORD = "predict.json"  # of what the predictions are
WORST = 12  # images on the contact sheet


class Options(NamedTuple):
    """The arguments of the command, see `anomaly_lab.predict`. Either `run` or `model` is given."""

    run: Path | None
    model: Path | None
    runtime: str | None
    images: str
    out: Path | None
    save: frozenset[str]
    workers: int
    watch: bool


class Predicted(NamedTuple):
    """Counts over all rows on disk. `expected`: so many false alarms at most, if all images are like the held-out ones."""

    out: Path
    images: int
    defective: int
    errors: int
    expected: float | None
    shifted: int  # windows of the stream in which levels are not those of the held-out images
    windows: int


def predict(options: Options) -> Predicted:
    """Score every image that has no row yet, write rows, pictures and summary.json. UserError for a run without a threshold."""
    decider: Decider
    if options.model is not None:
        decider = OfFile(options.model, options.runtime)
    else:
        assert options.run is not None
        decider = OfRun(options.run)
    threshold, source = decider.threshold, decider.source | {"images": options.images}
    out = options.out or Path("predictions") / f"{Path(options.images).stem or 'names'}_{digest(source)[:8]}"
    out.mkdir(parents=True, exist_ok=True)
    with lock.held(out):
        _require_own(out, source)
        write_json(out / RECORD, source)
        with Journal(out / "predictions", COLUMNS, cells, "path") as journal:
            drift = Drift(decider.levels or (), threshold)
            shifts = [found for row in journal.rows() if (found := drift.update(row.get("level"))) is not None]
            for row in _rows(decider, options, out, journal):
                journal.append(row)
                if (found := drift.update(row.get("level"))) is not None:
                    shifts.append(found)
                    _tell(found)
            counts = _counts(decider, journal, shifts)
            summary = counts._asdict() | {"out": str(out), "windows": [s._asdict() | {"warns": s.warns} for s in shifts]}
            write_json(out / "summary.json", summary)
            if "coco" in options.save:
                write_coco(out / "coco.json", lambda: _read(journal))
            _write_contact(decider, out, journal)
    return counts._replace(out=out)


def _rows(decider: Decider, options: Options, out: Path, journal: Journal) -> Iterator[dict[str, Any]]:
    paths: Iterable[Path] = inputs(options.images, sys.stdin)
    if options.watch:
        folder = Path(options.images).expanduser()
        if not folder.is_dir():
            raise UserError(f"watch=true needs images=FOLDER, and {options.images} is none")
        paths = arriving(folder, lambda path: name_of(path) in journal)
    fresh = (path for path in paths if name_of(path) not in journal)
    total = None  # of a stream nobody knows it
    if not options.watch and options.images != "-":
        total = sum(name_of(path) not in journal for path in inputs(options.images, sys.stdin))
    found = opened(fresh, decider.preprocessing, 1 if options.watch else options.workers)
    for path, item in watched(found, "Predicting", total):
        if name_of(path) not in journal:  # a list may name an image twice
            yield _row(decider, options.save, out, path, item)


def opened(paths: Iterable[Path], preprocessing: Preprocessing, workers: int) -> Iterator[tuple[Path, Opened | str]]:
    """Read images ahead in threads, in the order of `paths`: (path, what was read, or a sentence why it can't be).

    Decoding and resizing run in OpenCV, which lets threads run at the same time.
    """

    def read(path: Path) -> Opened | str:
        if not is_text(str(path)):
            return f"{name_of(path)} has a name that is no text in UTF-8: rename it"
        try:
            stored = read_image(path)
            return Opened(stored, *prepared(stored, preprocessing))
        except (OSError, UserError, MemoryError) as error:
            return as_sentence(error) or printable(f"{path} can't be read ({error})")

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Path, Future[Opened | str]]] = deque()
        for path in paths:
            waiting.append((path, pool.submit(read, path)))
            if len(waiting) >= 2 * workers - 1:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _row(decider: Decider, kinds: frozenset[str], out: Path, path: Path, item: Opened | str) -> dict[str, Any]:
    """The row of an image; its pictures are written before."""
    if isinstance(item, str):
        return {"path": name_of(path), "error": item}
    start = time.perf_counter()
    try:
        found = decider.decide(item)
    except UserError as error:
        return {"path": name_of(path), "error": str(error)}
    level = quiet_level(found.heatmap, decider.min_area)
    decided = _decided(found)
    if kinds:
        save(kinds, out, path, item, decided, decider.threshold)
    normal = decider.levels
    return {
        "path": str(path),
        "score": found.score,
        "level": level if np.isfinite(level) else None,
        "p_value": None if normal is None else float(p_value(level, normal)),
        "margin": level - decider.threshold if np.isfinite(level) else None,
        "defective": bool(decided.mask.any()),
        "defects": [{k: v for k, v in d.items() if k != "polygons" or "coco" in kinds} for d in decided.defects],
        "height": item.size[0],
        "width": item.size[1],
        "unlike": list(unlike(item.seen, decider.profile)),
        "ms": round(1000 * (time.perf_counter() - start), 1),
        "error": None,
    }


def name_of(path: Path) -> str:
    """A path as its row has it: bytes that are no text stand as escapes, since no file in UTF-8 could hold them."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's cells in predictions.csv. A defect is written as "x y width height area peak"; defects are parted by ";"."""
    found = {name: "" if row.get(name) is None else row[name] for name in COLUMNS if name != "defects"}
    defects = row.get("defects")
    if defects is not None:
        found["n_defects"] = len(defects)
        found["defects"] = "; ".join(" ".join(f"{v:g}" for v in (*d["box"], d["area"], d["peak"])) for d in defects)
        found["defective"], found["unlike"] = int(row["defective"]), " ".join(row["unlike"])
    return found


def _require_own(out: Path, source: Mapping[str, Any]) -> None:
    """Refused if the directory holds predictions of another run, of another state of it, or of other images."""
    if (out / RECORD).is_file() and (known := read_json(out / RECORD)) != source:
        other = next((name for name in source if known.get(name) != source[name]), "run")
        raise Refused(f"{out} holds predictions with another {other} ({known.get(other)}): choose another directory with out=")


def _counts(decider: Decider, journal: Journal, shifts: Sequence[Shift]) -> Predicted:
    images = defective = errors = 0
    for row in journal.rows():
        images, errors, defective = images + 1, errors + (row["error"] is not None), defective + bool(row.get("defective"))
    rate = promised(decider.threshold, decider.levels) if decider.levels else None
    expected = None if rate is None else rate * (images - errors)
    return Predicted(Path(), images, defective, errors, expected, sum(shift.warns for shift in shifts), len(shifts))


def _tell(found: Shift) -> None:
    """Log a warning for a window that differs."""
    if found.warns:
        log.warning(
            "images %d to %d are not like the held-out normal ones: the median level of those that passed is %.3g, not %.3g. "
            "The rate of false alarms is not kept; see python -m anomaly_lab.calibrate --help",
            *(found.first, found.last, found.median, found.expected),
        )


def _write_contact(decider: Decider, out: Path, journal: Journal) -> None:
    """contact.png: the images with the highest scores. They are scored again, since a start may have seen only some of them."""
    worst = heapq.nlargest(WORST, _read(journal), key=lambda row: row["score"])
    pictures, texts = [], []
    for path, image in opened((Path(row["path"]) for row in worst), decider.preprocessing, 1):
        if isinstance(image, Opened):
            found = decider.decide(image)
            pictures.append(drawn(image, _decided(found), decider.threshold))
            texts.append(f"{found.score:.3g} {path.parent.name}/{path.name}")
    if pictures:
        write_sheet(out / "contact.png", pictures, texts)


def _read(journal: Journal) -> Iterator[dict[str, Any]]:
    """The rows of images that could be read."""
    return (row for row in journal.rows() if row["error"] is None)


def _decided(found: Decision) -> Decided:
    return Decided(found.heatmap, found.mask, defects_of(found.heatmap, found.mask))
