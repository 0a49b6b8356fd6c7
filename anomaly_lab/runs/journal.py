"""Rows on disk that survive whatever stops the program: a line of JSON for each, and a table of them.

The lines are the record. A line that was cut off is removed at the next start, and the table is made from the lines again. A
row that takes another one's place stands behind it until the journal is closed, or opened again after a kill.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from anomaly_lab.errors import UserError
from anomaly_lab.files import replacing

Row = Mapping[str, Any]


class Journal:
    """Rows in <stem>.jsonl and <stem>.csv. A row is in both when `append` returns.

    - `columns`: of the table. `cells`: a row → its cells, by column.
    - `key`: the name of a row's entry that tells of what the row is.
    - `state`: a row → how its thing was then. If given, a key has one row: when the journal is opened and when it is closed,
      the last one takes the place of the first.
    """

    def __init__(
        self,
        stem: Path,
        columns: Sequence[str],
        cells: Callable[[Row], Mapping[str, Any]],
        key: str,
        state: Callable[[Row], Hashable] | None = None,
    ) -> None:
        self.lines, self.table = stem.with_suffix(".jsonl"), stem.with_suffix(".csv")
        self.columns, self.cells, self.key, self.state = columns, cells, key, state
        # digest of a key → of its last row's state, None without one that counts. Names of a hundred thousand images would take
        # ten times the memory
        self.known: dict[bytes, int | None] = {}
        self._again: set[bytes] = set()  # keys with several rows
        self.count = 0  # of rows

    def __enter__(self) -> "Journal":
        self._mend()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.open_lines, self.open_table = (os.open(path, flags, 0o644) for path in (self.lines, self.table))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for handle in (self.open_lines, self.open_table):
            os.fsync(handle)
            os.close(handle)
        if self._again:
            self._mend()

    def __contains__(self, key: str) -> bool:
        return self.known.get(_digest(key)) is not None

    def has(self, key: str, state: Hashable) -> bool:
        """Whether the last row of a key says that its thing was in this state."""
        return self.known.get(_digest(key)) == hash(state)

    def forget(self, key: str) -> None:
        """The rows of a key count no longer: another one will take their place."""
        self.known[_digest(key)] = None

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row: first the line, in one piece, then the table's."""
        for handle, line in (
            (self.open_lines, json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"),
            (self.open_table, self._line(self.cells(row))),
        ):
            data = line.encode()
            while data:
                data = data[os.write(handle, data) :]
        self._remember(row)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows on disk, one at a time. UserError for a damaged line."""
        if not self.lines.is_file():
            return
        with self.lines.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                    _ = row[self.key]
                except (ValueError, KeyError, TypeError) as error:
                    raise UserError(f"{self.lines} is damaged in line {number}: remove this line, or the file") from error
                yield row

    def _remember(self, row: Row) -> None:
        key = _digest(row[self.key])
        if self.state is not None and key in self.known:
            self._again.add(key)
        self.known[key] = hash(self.state(row)) if self.state is not None else 0
        self.count += 1

    def _mend(self) -> None:
        """Cut off a line that is not whole, leave one row for each key, and make the table."""
        _without_a_cut_line(self.lines)
        self._make_table()
        if self._again:
            self._leave_the_last()
            self._make_table()

    def _leave_the_last(self) -> None:
        """Write the lines anew, as a whole or not at all: of a key with several rows, the last one where the first one was."""
        places: dict[bytes, int] = {}
        with self.lines.open("rb") as old:
            place = 0
            for line in old:
                if (key := _digest(json.loads(line)[self.key])) in self._again:
                    places[key] = place
                place += len(line)
        with ExitStack() as stack:
            old, again = (stack.enter_context(self.lines.open("rb")) for _ in range(2))
            new = stack.enter_context(stack.enter_context(replacing(self.lines)).open("wb"))
            for line in old:
                if (key := _digest(json.loads(line)[self.key])) not in self._again:
                    new.write(line)
                elif key in places:
                    again.seek(places.pop(key))
                    new.write(again.readline())

    def _make_table(self) -> None:
        """Make the table from the lines, and learn which rows there are."""
        self.known, self._again, self.count = {}, set(), 0
        with replacing(self.table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            file.write(self._line(dict(zip(self.columns, self.columns, strict=True))))
            for row in self.rows():
                file.write(self._line(self.cells(row)))
                self._remember(row)

    def _line(self, cells: Mapping[str, Any]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self.columns, lineterminator="\n").writerow(cells)
        return text.getvalue()


def _without_a_cut_line(path: Path) -> None:
    """Cut off what stands behind the last line break of a file: a program was stopped while it wrote that line."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        size = end
        while size:
            start = max(0, size - 65536)
            file.seek(start)
            if (place := file.read(size - start).rfind(b"\n")) >= 0:
                size = start + place + 1
                break
            size = start
        if size < end:
            file.truncate(size)


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=12).digest()
