"""images.csv in a run's directory: the normal images that it learnt from and those that it held out, with their digests."""

import csv
from pathlib import Path

from anomaly_lab.data.known import Known, files_of
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import UserError
from anomaly_lab.files import READ, write_csv
from anomaly_lab.runs.directory import FROM_COPY

NAME, COLUMNS = "images.csv", ("part", "path", "digest")
PARTS = ("training", "held-out")  # of `Known`


def of(data: ScoringData) -> Known:
    """The normal images of `data`."""
    return Known(files_of(data.train.samples, data.found.root), files_of(data.held_out, data.found.root))


def write(run: Path, known: Known, more: Known | None = None) -> None:
    """Write the images that a run knows, and `more`."""
    each = [files | others for files, others in zip(known, more or Known(), strict=True)]
    rows = [(part, *file) for part, files in zip(PARTS, each, strict=True) for file in sorted(files)]
    write_csv(run / NAME, COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in rows])


def read(run: Path) -> Known:
    """The images that the run in `run` knows; none without the file. UserError if it is damaged."""
    path = run / NAME
    if not path.is_file():
        return Known()
    try:
        with path.open(newline="", encoding=READ) as file:
            rows = [(row["part"], row["path"], row["digest"]) for row in csv.DictReader(file)]
        if any(part not in PARTS or not digest for part, _, digest in rows):
            raise ValueError("a row is not whole")
    except (ValueError, KeyError, csv.Error) as error:
        raise UserError(f"{path} is damaged ({error}): {FROM_COPY}") from error
    return Known(*(frozenset((name, digest) for part, name, digest in rows if part == own) for own in PARTS))
