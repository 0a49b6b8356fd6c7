"""Files on disk: written whole or not at all, and identified by a digest of their content."""

import contextlib
import csv
import functools
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from anomaly_lab.errors import unwritable


def make_folder(folder: Path, key: str) -> None:
    """Create `folder` and its parents if needed. UserError if that fails; `key` is the option that names another folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error, key) from error


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, with its suffix; it takes `path`'s place if the block ends well.

    A crash, a full disk or an exception in the block leaves the old file as it was and no debris behind (a kill -9
    can leave a `.part` file, which nothing reads).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=f".part{path.suffix}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # without this a power cut can leave an empty file under the final name
        temporary.chmod(0o644)  # mkstemp makes it 0600
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table to `path` atomically; what a row doesn't have stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


_READERS = 4


def digest(record: Any) -> str:
    """A digest of plain values; the order of a mapping's keys does not count."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def of_file(path: Path) -> str:
    """A digest of a file's bytes. OSError where it can't be read."""
    state = path.stat()
    return _of_file(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)  # a run asks for the same files more than once
def _of_file(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def of_files(paths: Iterable[Path], root: Path) -> str:
    """A digest of files: of their places below `root` and of every byte in them."""
    ordered = sorted(paths)
    with ThreadPoolExecutor(_READERS) as pool:  # hashing does not hold the GIL
        return digest([path.relative_to(root).as_posix() for path in ordered] + list(pool.map(of_file, ordered)))


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record atomically; NaN and infinity have no place in JSON and are refused."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")
