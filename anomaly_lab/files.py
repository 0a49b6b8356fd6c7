"""Files on disk: each is written as a whole or not at all, and has a digest of its content."""

import contextlib
import csv
import errno
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from anomaly_lab.errors import UserError, unwritable

READ = "utf-8-sig"  # UTF-8, also with the byte order mark that some editors add


def make_folder(folder: Path, key: str) -> None:
    """Create `folder`. UserError if it can't be created or written to; `key` is the option that names another folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error, key) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)), key)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same suffix. After the block, the file there replaces `path`.

    If the block raises, `path` stays as it was. A process that is killed can leave a `.part` file, which nothing reads.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a part of the name, as the whole may be as long as a name can be
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=f".part{path.suffix}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # else a power cut can leave an empty file at `path`
        temporary.chmod(0o644)  # mkstemp makes it 0600
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, as a whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record to `path`, as a whole or not at all. ValueError if it holds NaN or infinity, which JSON doesn't have."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The record in a file that `write_json` has written. UserError if it is damaged."""
    try:
        record = json.loads(path.read_text(encoding=READ), parse_constant=_refused)
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy, or make its run anew") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} is damaged (it holds no record): restore it from a copy, or make its run anew")
    return record


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no value of JSON")


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table to `path`, as a whole or not at all. The cell of a column that a row lacks is empty."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def digest(record: Any) -> str:
    """A digest of plain values (64 hexadecimal digits). The order of a mapping's keys doesn't matter."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def of_file(path: Path) -> str:
    """A digest of a file's bytes (32 hexadecimal digits). OSError if the file can't be read."""
    state = path.stat()
    return _of_file(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)  # a run asks for the same files several times
def _of_file(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def of_files(paths: Iterable[Path], root: Path) -> str:
    """A digest of files: of their paths below `root` and of their bytes. The order of `paths` doesn't matter."""
    ordered = sorted(paths)
    with ThreadPoolExecutor(4) as pool:  # threads run in parallel here: hashing releases the interpreter's lock
        return digest([path.relative_to(root).as_posix() for path in ordered] + list(pool.map(of_file, ordered)))
