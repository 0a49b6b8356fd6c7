"""One process at a time works in a run's directory."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anomaly_lab.errors import InUse, UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


CLAIM = ".claimed"  # the file that makes a directory one process's own


def _make(folder: Path, key: str = "hydra.run.dir=") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error, key) from error


def _unwritable(folder: Path, error: OSError, key: str = "hydra.run.dir=") -> UserError:
    return UserError(f"{folder} cannot be written to ({error.strerror}): choose another directory with {key}")


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold `run` as this process's own while the block runs. UserError where another process holds it."""
    _make(run)
    try:
        file = os.open(run / CLAIM, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise _unwritable(run, error) from error
    try:
        _lock(file, run)
        yield
    finally:
        os.close(file)


def _lock(file: int, run: Path) -> None:
    """Lock an open file; the system lets go of it when the last process that has it open ends, however it ends."""
    if fcntl is None:
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a report that looks at the run holds it for an instant
            time.sleep(0.2)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(f"{run} is in use by another process: wait for its end") from None
    except OSError as error:
        raise UserError(
            f"the file system of {run} can lock no files ({error.strerror}), and without that two processes could write the "
            "same run: choose a directory elsewhere with hydra.run.dir= or hydra.sweep.dir="
        ) from error


def in_use(run: Path) -> bool:
    """Whether a process holds `run` at this moment; False where the system can't tell."""
    try:
        with (run / CLAIM).open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once, as the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
