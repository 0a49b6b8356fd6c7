"""Rows on disk that survive whatever stops the program: a line of JSON for each, and a table of them.

The lines are the record. A line that was cut off is removed at the next start, and the table is made from the lines again.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from anomaly_lab.errors import UserError
from anomaly_lab.files import replacing

Row = Mapping[str, Any]


class Journal:
    """Rows in <stem>.jsonl and <stem>.csv. A row is in both when `append` returns.

    - `columns`: of the table. `cells`: a row → its cells, by column.
    - `key`: the name of a row's entry that no other row shares.
    """

    def __init__(
        self, stem: Path, columns: Sequence[str], cells: Callable[[Mapping[str, Any]], Mapping[str, Any]], key: str
    ) -> None:
        self.lines, self.table = stem.with_suffix(".jsonl"), stem.with_suffix(".csv")
        self.columns, self.cells, self.key = columns, cells, key
        self.known: set[bytes] = set()  # digests: names of a hundred thousand images would take ten times the memory
        self.count = 0

    def __enter__(self) -> "Journal":
        _without_a_cut_line(self.lines)
        with replacing(self.table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            file.write(self._line(dict(zip(self.columns, self.columns, strict=True))))
            for row in self.rows():
                file.write(self._line(self.cells(row)))
                self._remember(row)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.open_lines, self.open_table = (os.open(path, flags, 0o644) for path in (self.lines, self.table))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for handle in (self.open_lines, self.open_table):
            os.fsync(handle)
            os.close(handle)

    def __contains__(self, key: str) -> bool:
        return _digest(key) in self.known

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

    def _remember(self, row: Mapping[str, Any]) -> None:
        self.known.add(_digest(row[self.key]))
        self.count += 1

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
