"""What people say of images: marks on disk, the marked images beside them, and how often the decisions are right.

    <out>/marks.jsonl, marks.csv    a line for each mark, in the order in which they came; an image's last one counts
    <out>/normal/, <out>/defective/ the images whose last mark says so, each under the digest of its bytes

`anomaly_lab.calibrate images=<out>/normal` takes the first folder, and `data=folders` takes both.
"""

import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from anomaly_lab.app.decide import Judged
from anomaly_lab.data.names import IMAGE_SUFFIXES
from anomaly_lab.errors import Refused
from anomaly_lab.files import make_folder, read_json, replacing, write_json
from anomaly_lab.runs import lock
from anomaly_lab.runs.journal import Journal

NORMAL, DEFECTIVE = KINDS = ("normal", "defective")
COLUMNS = ("digest", "mark", "name", "level", "score", "file", "at")
RECORD = "app.json"  # of what the levels are


class Tally(NamedTuple):
    """How many marked images are decided as their marks say."""

    passed: int  # marked normal, and not called defective
    alarms: int  # marked normal, but called defective
    found: int  # marked defective, and called so
    missed: int  # marked defective, but not called so

    @property
    def right(self) -> int:
        """Decisions that agree with the marks."""
        return self.passed + self.found


class Marks:
    """The marks of a folder; one process at a time has them, all threads of it may use them.

    `source`: of what the levels are: the run and its checkpoint. Refused if the folder has marks of another run; InUse if
    another process has it; UserError if nothing can be written to it.
    """

    def __init__(self, out: Path, source: Mapping[str, Any]) -> None:
        self.out, self.source = out, dict(source)
        self.journal = Journal(out / "marks", COLUMNS, _cells, "digest")
        self.last: dict[str, dict[str, Any]] = {}  # digest → its last row
        self._one, self._stack = threading.Lock(), ExitStack()

    def __enter__(self) -> "Marks":
        make_folder(self.out, "out=")
        with ExitStack() as stack:
            stack.enter_context(lock.held(self.out))
            record = self.out / RECORD
            if record.is_file() and (known := read_json(record)) != self.source:
                raise Refused(f"{self.out} has marks of another run ({known.get('run')}): choose another directory with out=")
            write_json(record, self.source)
            stack.enter_context(self.journal)
            self.last = {row["digest"]: row for row in self.journal.rows()}
            for kind in KINDS:  # if the program was stopped between the line and the files
                for file in _below(self.out / kind):
                    if self.of(file.stem) != kind:
                        file.unlink()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def of(self, digest: str) -> str | None:
        """The mark of an image, None without one."""
        return self.last.get(digest, {}).get("mark")

    def mark(self, judged: Judged, kind: str | None) -> None:
        """Mark an image as `NORMAL` or `DEFECTIVE`, or take its mark away. ValueError for another mark and an unread image."""
        if kind not in (*KINDS, None) or judged.error is not None:
            raise ValueError(f"mark is {kind}, error {judged.error}: only an image that was read can be {' or '.join(KINDS)}")
        with self._one:
            if kind == self.of(judged.digest):
                return
            suffix = judged.path.suffix.lower()
            name = judged.digest + (suffix if suffix in IMAGE_SUFFIXES else ".png")
            if kind is not None:
                with replacing(self.out / kind / name) as temporary:
                    shutil.copyfile(judged.path, temporary)
            row = {"digest": judged.digest, "mark": kind, "name": judged.name, "level": judged.level, "score": judged.score}
            row |= {"file": name, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            self.journal.append(row)
            self.last[judged.digest] = row
            for other in {*KINDS} - {kind}:
                for file in (self.out / other).glob(f"{judged.digest}.*"):  # its suffix may have been another one
                    file.unlink()

    def tally(self, threshold: float) -> Tally:
        """How many decisions at a threshold agree with the marks."""
        return tally(list(self.last.values()), threshold)

    def normal_images(self) -> int:
        """How many images the folder of normal ones holds."""
        return sum(row["mark"] == NORMAL for row in list(self.last.values()))


def tally(rows: Iterable[Mapping[str, Any]], threshold: float) -> Tally:
    """Count rows with "mark" and "level". An image is called defective if its level is above the threshold."""
    found = dict.fromkeys(((kind, called) for kind in KINDS for called in (False, True)), 0)
    for row in rows:
        if row["mark"] in KINDS:
            found[row["mark"], row["level"] is not None and row["level"] > threshold] += 1
    order = ((NORMAL, False), (NORMAL, True), (DEFECTIVE, True), (DEFECTIVE, False))
    return Tally(*(found[each] for each in order))


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "" if row.get(name) is None else row[name] for name in COLUMNS}


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
