"""The lock on a run's directory: only one process at a time works there."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

from anomaly_lab.errors import InUse, UserError, unwritable
from anomaly_lab.files import make_folder

CLAIM = ".claimed"  # the file that is locked; it stays when the lock is released, and marks its folder as a run
GLANCE = 0.1  # seconds; in_use() holds the lock for microseconds


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Create the directory `run` and hold its lock during the block. The system releases the lock of a process that is killed.

    InUse if another process holds the lock; UserError if nothing can be written to `run` or its file system has no locks.
    """
    make_folder(run, "hydra.run.dir=")
    try:
        file = os.open(run / CLAIM, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise unwritable(run, error, "hydra.run.dir=") from error
    with ExitStack() as stack:
        stack.callback(os.close, file)
        _lock(file, run)
        stack.callback(unlock_descriptor, file)  # to close it is not enough: worker processes that were forked have it open too
        yield


def _lock(file: int, run: Path) -> None:
    try:
        if not _locked(file):
            raise InUse(f"{run} is in use by another process: wait for its end")
    except OSError as error:
        why = f"the file system of {run} can't lock files ({error.strerror}), so two processes could write to the same run"
        raise UserError(f"{why}: choose a directory on another file system with hydra.run.dir= or hydra.sweep.dir=") from error


def in_use(run: Path) -> bool:
    """Whether a process holds the lock on `run` now. False if the system can't tell."""
    claim = run / CLAIM
    try:
        # NFS only locks files that are open for writing, but another user's claim can only be read
        with claim.open("r+b" if os.access(claim, os.W_OK) else "rb") as file:
            return not _locked(file.fileno())  # closing the file releases the lock
    except OSError:
        return False


def _locked(file: int) -> bool:
    """Lock an open file and return whether that worked. There is a second attempt, in case another process calls in_use()."""
    if lock_descriptor(file, blocking=False):
        return True
    time.sleep(GLANCE)
    return lock_descriptor(file, blocking=False)
