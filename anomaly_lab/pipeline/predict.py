"""Decide about images that nobody has labelled: a row for each, as it comes, and pictures where they are wanted."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from anomaly_lab.calibration.drift import Drift, Shift
from anomaly_lab.calibration.rules import promised
from anomaly_lab.data.inputs import STANDARD_INPUT, arriving, inputs, place
from anomaly_lab.errors import Refused, UserError
from anomaly_lab.files import digest, read_json, write_json
from anomaly_lab.pipeline.contact import Contact
from anomaly_lab.pipeline.deciders import LARGE, Decider, decider
from anomaly_lab.pipeline.fresh import Fresh, stamp_of
from anomaly_lab.pipeline.reading import in_order, opened
from anomaly_lab.pipeline.rows import COLUMNS, Draw, Row, cell_again, cells, row_of
from anomaly_lab.pipeline.saved import Opened, write_coco, write_png
from anomaly_lab.progress import watched
from anomaly_lab.runs import lock
from anomaly_lab.runs.journal import Journal

log = logging.getLogger(__name__)
Scored = tuple[Row, Draw | None]
ENGINES = ("local", "ray")
RECORD = "predict.json"  # of what the predictions are
WRITTEN = ("predictions.csv", "predictions.jsonl", "summary.json", "contact.png", "coco.json", "overlays", "masks", "heatmaps")


class Options(NamedTuple):
    """The arguments of the command, see `anomaly_lab.predict`. Either `run` or `model` is given."""

    run: Path | None
    model: Path | None
    runtime: str | None
    images: str
    out: Path | None
    save: frozenset[str]
    workers: int
    parallel: int
    watch: bool
    engine: str

    @property
    def live(self) -> bool:
        """Whether images come one by one, so that none is read or decided ahead of another's row."""
        return self.watch or self.images == STANDARD_INPUT


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
    """Score every image that needs a row, write rows, pictures and summary.json. UserError for a run without a threshold."""
    judge = decider(options.run, options.model, options.runtime, options.parallel)
    source = judge.source | {"images": options.images, "place of images": place(options.images)}
    source["save"] = ",".join(sorted(options.save)) or "none"
    out = options.out or Path("predictions") / f"{Path(options.images).stem or 'names'}_{digest(source)[:8]}"
    _require_free(out)
    out.mkdir(parents=True, exist_ok=True)
    with lock.held(out):
        _require_own(out, source)
        write_json(out / RECORD, source)
        contact = Contact()
        with Journal(out / "predictions", COLUMNS, cells, "path", stamp_of) as journal:
            drift = Drift(judge.levels or (), judge.threshold)
            for row in journal.rows():
                drift.update(row.get("level"))  # it was told before
            for row in _rows(judge, options, out, journal, contact):
                journal.append(row)
                if (found := drift.update(row.get("level"))) is not None:
                    _tell(found)
        counts = _summarised(judge, options, out, journal)  # closed, it has one row for each image
        seen = ((row["path"], row["score"]) for row in _read(journal))
        if (sheet := contact.sheet(seen, lambda path: cell_again(judge, Path(path)))) is not None:
            write_png(out / "contact.png", sheet)
    return counts


def _summarised(judge: Decider, options: Options, out: Path, journal: Journal) -> Predicted:
    """Write summary.json and coco.json."""
    drift = Drift(judge.levels or (), judge.threshold)
    shifts = [found for row in journal.rows() if (found := drift.update(row.get("level"))) is not None]
    counts = _counts(judge, journal, shifts)._replace(out=out)
    summary = counts._asdict() | {"out": str(out), "windows": [s._asdict() | {"warns": s.warns} for s in shifts]}
    write_json(out / "summary.json", summary)
    if "coco" in options.save:
        write_coco(out / "coco.json", lambda: _read(journal))
    return counts


def _rows(judge: Decider, options: Options, out: Path, journal: Journal, contact: Contact) -> Iterator[dict[str, Any]]:
    paths: Iterable[Path] = inputs(options.images, sys.stdin)
    fresh = Fresh(journal)
    if options.watch:
        if options.engine == "ray":
            raise UserError("watch=true waits for single images: leave engine=ray out")
        folder = Path(options.images).expanduser()
        if not folder.is_dir():
            raise UserError(f"watch=true needs images=FOLDER, and {options.images} is none")
        paths = arriving(folder, fresh.done)
    total = None  # of a stream nobody knows it
    if not options.watch and options.images != STANDARD_INPUT:
        total = fresh.count(inputs(options.images, sys.stdin))
    if options.engine == "ray":
        from anomaly_lab.pipeline import on_ray

        given = options.run and options.run.resolve(), options.model and options.model.resolve(), options.runtime
        found_there = on_ray.rows(given, options.save, out.resolve(), fresh.of(paths), options.workers)
        scored: Iterator[Scored] = ((row, None) for row in found_there)
    else:
        found = opened(fresh.of(paths), judge.preprocessing, 1 if options.live else options.workers)
        scored = _scored(judge, options, out, found)
    for row, draw in watched(scored, "Predicting", total):
        if row["error"] is not None and not os.access(row["path"], os.F_OK):
            _require_there(options.images)
        if draw is not None:
            contact.see(row["path"], row["score"], draw)
        yield fresh.stamped(row)


def _scored(judge: Decider, options: Options, out: Path, found: Iterator[tuple[Path, Opened | str]]) -> Iterator[Scored]:
    """Rows in the order of the images, `judge.parallel` of them under way; a large image has all cores for itself."""

    def score(given: tuple[Path, Opened | str]) -> Scored:
        return row_of(judge, options.save, out, *given)

    return in_order(score, found, judge.parallel, judge.begin, lambda given: _is_large(given[1]))


def _is_large(item: Opened | str) -> bool:
    return isinstance(item, Opened) and item.X.shape[-2] * item.X.shape[-1] > LARGE


def _require_there(images: str) -> None:
    """UserError if nothing is left of the named images, as when a network drive is gone: rows of errors would be false."""
    if images == STANDARD_INPUT:
        return
    try:
        next(inputs(images, sys.stdin))
    except (UserError, OSError) as error:
        raise UserError(f"{images} is gone: the rows so far are kept; start the same command again when it is back") from error


def _require_free(out: Path) -> None:
    """Refused if the directory is none of predictions, and holds what a prediction writes."""
    strange = [] if (out / RECORD).is_file() else [name for name in WRITTEN if os.path.lexists(out / name)]
    if strange:
        raise Refused(f"{out} holds {strange[0]}, which no prediction has written: choose another directory with out=")


def _require_own(out: Path, source: Mapping[str, Any]) -> None:
    """Refused if the directory holds predictions of another run, of another state of it, of other images, or with other
    pictures of them."""
    if (out / RECORD).is_file() and (known := read_json(out / RECORD)) != source:
        other = next((name for name in source if known.get(name) != source[name]), "run")
        raise Refused(f"{out} holds predictions with another {other} ({known.get(other)}): choose another directory with out=")


def _counts(judge: Decider, journal: Journal, shifts: Sequence[Shift]) -> Predicted:
    images = defective = errors = 0
    for row in journal.rows():
        images, errors, defective = images + 1, errors + (row["error"] is not None), defective + bool(row.get("defective"))
    rate = promised(judge.threshold, judge.levels) if judge.levels else None
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


def _read(journal: Journal) -> Iterator[dict[str, Any]]:
    """The rows of images that could be read."""
    return (row for row in journal.rows() if row["error"] is None)
