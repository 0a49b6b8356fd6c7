"""The images that a user names: a file, a folder, a pattern, a list of paths, or names on standard input; one at a time."""

import glob
import logging
import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TextIO

from anomaly_lab.data.listing import FOREIGN
from anomaly_lab.data.names import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from anomaly_lab.errors import UserError

log = logging.getLogger(__name__)
LISTS = frozenset((".txt", ".lst", ".list"))  # files of paths, one a line
STANDARD_INPUT = "-"
State = tuple[int | None, int | None]  # of a file: its size and time of change
GONE: State = (None, None)
SETTLED = 1.0  # seconds without a change after which a new file counts as complete
PAUSE = 0.25  # seconds between two looks at a folder


def inputs(given: str, names: TextIO) -> Iterator[Path]:
    """Yield the paths of images, in a fixed order.

    `given`: an image; a folder, whose images in all folders below count; a pattern such as `parts/*/top*.png`, where ** stands
    for any folders; a text file with a path on each line; a Parquet file with a column "path"; or `STANDARD_INPUT`, for lines
    of `names`. Only lists are opened. UserError where nothing is found.
    """
    path = Path(given).expanduser()
    if given == STANDARD_INPUT:
        yield from _lines(names)
    elif path.is_dir():
        yield from _found(below(path), f"{given} holds no image")
    elif path.suffix.lower() in LISTS and path.is_file():
        try:
            with path.open(encoding="utf-8-sig") as file:
                yield from _found(_lines(file), f"{given} names no image")
        except UnicodeDecodeError as error:
            raise UserError(f"{given} is no text in UTF-8: write one path a line") from error
    elif path.suffix.lower() == ".parquet" and path.is_file():
        yield from _found(_in_parquet(path), f"{given} names no image")
    elif path.is_file():
        yield path
    elif not glob.has_magic(given):
        raise UserError(f"{given} does not exist: give images=PATH of an image, a folder, a pattern or a list")
    else:
        matches = (Path(match) for match in sorted(glob.iglob(str(path), recursive=True)))
        yield from _found(
            (p for p in matches if p.suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES), f"{given} fits no image"
        )


def place(given: str) -> str:
    """Where the named images lie, whatever the working directory is. Names in a list lie below the working directory."""
    path = Path(given).expanduser()
    listed = path.suffix.lower() in LISTS | {".parquet"} and path.is_file()
    return str((Path() if given == STANDARD_INPUT or listed else path).resolve())


def state_of(path: Path) -> State:
    """A file's size and time of change in nanoseconds; `GONE` if there is none."""
    try:
        state = path.stat()
    except OSError:
        return GONE
    return state.st_size, state.st_mtime_ns


def below(folder: Path, passing: bool = False) -> Iterator[Path]:
    """Every image in a folder and below, folder by folder, each sorted; images in formats that are not read too.

    Links to folders are followed, after the folders themselves, each folder once; one that leads to a folder around it is not.
    A folder that may not be entered is left aside; a warning says so once. UserError for one that can't be listed any more, as
    when a network drive is gone; if `passing`, folders below may go while it looks.
    """

    def unlisted(error: OSError) -> None:
        if isinstance(error, PermissionError):
            _warn_of(str(error.filename))
        elif not (passing and isinstance(error, FileNotFoundError) and folder.is_dir()):
            raise UserError(f"{error.filename} can't be listed ({error.strerror}): bring it back and start again") from error

    seen = set[str]()
    for place, folders, files in os.walk(folder, onerror=unlisted, followlinks=True):
        real = os.path.realpath(place)
        links = {name: os.path.realpath(Path(place, name)) for name in folders if os.path.islink(Path(place, name))}
        circles = {name for name, target in links.items() if Path(real).is_relative_to(target)}
        kept = (name for name in folders if not _ignored(name) and name not in circles)
        folders[:] = [] if real in seen else sorted(kept, key=lambda name: (name in links, name))
        files = [] if real in seen else files
        seen.add(real)
        for name in sorted(files):
            if _is_image(path := Path(place, name)) and not _ignored(name):
                yield path


def arriving(folder: Path, known: Callable[[Path, State], bool], stop: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield each image of a folder and those that come into it, when it is complete: unchanged for `SETTLED` seconds.

    `known`: whether an image in this state needs no scoring; asked at each look. It ends when `stop` says so, or never.
    """
    seen: dict[Path, tuple[State, float]] = {}  # path → (its state, since when)
    while not stop():
        begin = time.monotonic()
        present = [path for path in below(folder, passing=True) if not known(path, state_of(path))]
        took = time.monotonic() - begin
        seen = {path: seen[path] for path in present if path in seen}
        for path in present:
            now, state = time.monotonic(), state_of(path)
            if state == GONE:
                continue  # it was taken away
            if path not in seen or seen[path][0] != state:
                seen[path] = state, now
            elif now - seen[path][1] >= SETTLED:
                yield path
        time.sleep(max(PAUSE, took))  # many images on a network drive: half of the time it asks nothing


@cache
def _warn_of(folder: str) -> None:
    log.warning("%s may not be entered: its images are left aside", folder)


def _lines(file: TextIO) -> Iterator[Path]:
    return (Path(line.rstrip("\r\n")).expanduser() for line in file if line.strip())


def _in_parquet(path: Path) -> Iterator[Path]:
    """The paths in a Parquet file, some rows at a time."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UserError(f"{path} needs pyarrow to be read: pip install 'anomaly_lab[ray]'") from error
    try:
        for batch in parquet.ParquetFile(path).iter_batches(columns=["path"]):
            yield from (Path(name).expanduser() for name in batch.column(0).to_pylist() if name)
    except (ArrowException, IndexError, TypeError) as error:
        raise UserError(f"{path} is damaged or has no column path of texts ({error}): write it again") from error


def _found(paths: Iterator[Path], otherwise: str) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise UserError(f"{otherwise}: give images=PATH of an image, a folder, a pattern or a list")
    yield first
    yield from paths


def _ignored(name: str) -> bool:
    return name.startswith(".") or name in FOREIGN


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES
