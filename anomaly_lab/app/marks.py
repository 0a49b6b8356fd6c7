"""What people say of images: marks on disk, the marked images beside them, and how often the decisions are right.

    <out>/marks.jsonl, marks.csv    a line for each mark, in the order in which they came; an image's last one counts
    <out>/normal/, <out>/defective/ the images whose last mark says so, each under the digest of its bytes

`anomaly_lab.calibrate images=<out>/normal` takes the first folder, and `data=folders` takes both. A copy waits in
<out>/.staged/<mark>/ until its line is written, so that no file comes into a folder before the journal names it.
"""

import os
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
STAGED = ".staged"  # a folder in out=, emptied when the page begins


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

    `source`: of what the levels are: the run and its checkpoint. Refused if the folder has marks of another run, or files
    that are not the page's; InUse if another process has it; UserError if nothing can be written to it.
    """

    def __init__(self, out: Path, source: Mapping[str, Any]) -> None:
        self.out, self.source = out, dict(source)
        self.journal = Journal(out / "marks", COLUMNS, _cells, "digest")
        self.last: dict[str, dict[str, Any]] = {}  # digest → its last row
        self._one, self._stack = threading.Lock(), ExitStack()

    def __enter__(self) -> "Marks":
        make_folder(self.out, "out=")
        _require_own(self.out)
        with ExitStack() as stack:
            stack.enter_context(lock.held(self.out))
            record = self.out / RECORD
            if record.is_file() and (known := read_json(record)) != self.source:
                raise Refused(f"{self.out} has marks of another run ({known.get('run')}): choose another directory with out=")
            write_json(record, self.source)
            stack.enter_context(self.journal)
            self._mend()
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
                with replacing(self.out / STAGED / kind / name) as temporary:
                    shutil.copyfile(judged.path, temporary)
            row = {"digest": judged.digest, "mark": kind, "name": judged.name, "level": judged.level, "score": judged.score}
            row |= {"file": name, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            self.journal.append(row)
            known = self.last.get(judged.digest)
            self.last[judged.digest] = row
            if kind is not None:
                self._bring(kind, name)
            if known is not None and known["mark"] is not None:
                (self.out / known["mark"] / known["file"]).unlink(missing_ok=True)

    def _mend(self) -> None:
        """Read the journal, and make the folders agree with it if the program was stopped between a line and its files. No
        file is removed that the journal does not name."""
        named = set()
        for row in self.journal.rows():
            self.last[row["digest"]] = row
            named.add((row["mark"], row["digest"], row["file"]))
        for kind, digest, name in named:
            if kind is not None and self.of(digest) != kind:
                (self.out / kind / name).unlink(missing_ok=True)
            elif kind is not None and (self.out / STAGED / kind / name).is_file():
                self._bring(kind, name)
        shutil.rmtree(self.out / STAGED, ignore_errors=True)

    def _bring(self, kind: str, name: str) -> None:
        """Move a copy to its place: its line is written."""
        (self.out / kind).mkdir(exist_ok=True)
        os.replace(self.out / STAGED / kind / name, self.out / kind / name)

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


def _require_own(out: Path) -> None:
    """Refused if the folder was never the page's and holds anything: the page would mix its files with others."""
    if (out / RECORD).is_file():
        return
    # a page that was stopped before it wrote its record has left no more than these
    strange = sorted(p.name for p in out.iterdir() if p.name != lock.CLAIM and not p.name.startswith(f".{Path(RECORD).stem}-"))
    if strange:
        raise Refused(f"{out} holds {strange[0]} and no marks of the page: choose an empty or a new directory with out=")
