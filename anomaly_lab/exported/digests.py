"""The report beside an exported file holds a digest of it, so that a file that was changed or cut off is noticed."""

import logging
from pathlib import Path

from anomaly_lab.errors import UserError
from anomaly_lab.files import digest, of_file, read_json

log = logging.getLogger(__name__)


def report_of(file: Path) -> Path:
    """Where the report of an exported file lies: beside it."""
    return file.with_name(file.name + ".json")


def parts(file: Path) -> list[Path]:
    """The files that make up an exported file: OpenVINO's have their weights in a second one."""
    return [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]


def of(file: Path) -> str:
    """A digest of an exported file. UserError if a part of it is missing."""
    for part in parts(file):
        if not part.is_file():
            raise UserError(f"{part}: there is no such file, but {file.name} needs it: copy both")
    return digest([of_file(part) for part in parts(file)])


def require_unchanged(file: Path) -> None:
    """UserError if the file is not the one that its report is about. Logs a warning if there is no report."""
    report, now = report_of(file), of(file)
    if not report.is_file():
        log.warning("%s has no report beside it (%s): nobody can tell whether it was changed", file, report.name)
    elif read_json(report).get("digest") != now:
        raise UserError(f"{file} was changed since its export, or {report.name} is another's: copy both again, or export again")
