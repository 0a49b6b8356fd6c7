"""Errors that a user can mend. A command prints one as a sentence, without a stack trace, and exits with status 1."""

import contextlib
import errno
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from anomaly_lab.signals import INTERRUPTED, asked, like_ctrl_c, screens_that_last

FULL = ("could not be written", "free some space or choose another directory")
DENIED = ("can't be read or written", "change its permissions or choose another directory")
READ_ONLY = ("could not be written", "choose a directory on another file system")
# what an operating system's error means for a file, and its remedy
REMEDIES = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: READ_ONLY, errno.EACCES: DENIED, errno.EPERM: DENIED}


class UserError(Exception):
    """A mistake that the user can mend. The message is one sentence: the thing, its value and the remedy."""


class Refused(UserError):
    """A command doesn't fit what a run's directory holds. The directory stays as it is."""


class InUse(Refused):
    """Another process works in a run's directory. In a sweep this is no failure: the job is being done."""


def as_sentence(error: Exception) -> str | None:
    """The sentence for a UserError, a full disk, a quota, a read-only file system or a missing permission; None for a bug."""
    if isinstance(error, UserError):
        return str(error)
    if not isinstance(error, OSError) or error.errno not in REMEDIES:
        return None
    what, remedy = REMEDIES[error.errno]
    return f"{error.filename or 'a file'} {what} ({error.strerror}): {remedy}"


def unwritable(folder: Path, error: OSError, key: str) -> UserError:
    """The UserError for a folder that nothing can be written to; `key` is the option that names another one."""
    return UserError(f"{folder} cannot be written to ({error.strerror}): choose another directory with {key}")


@contextmanager
def ending_in_a_sentence(stopped: str | None = None) -> Iterator[None]:
    """End the program with a sentence if the block raises an error that has one. After Ctrl-C it is `stopped`, if given.

    If `stopped` is given, SIGTERM, SIGHUP and SIGUSR1 do the same as Ctrl-C, and a closed terminal or pipe is no error. Hydra's
    callbacks need this function too: Hydra turns every exception in a callback into a warning, except SystemExit.
    """
    with contextlib.ExitStack() as whole:
        if stopped is not None:
            whole.enter_context(screens_that_last())
            whole.enter_context(like_ctrl_c(stopped))
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, Exception) and (sentence := as_sentence(error)):
                end(sentence)
            if stopped is None or (isinstance(error, Exception) and not asked()):
                raise
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program is ending
            end(stopped, INTERRUPTED)


def end(sentence: str, status: int = 1) -> NoReturn:
    """Print the sentence as an error and end the program with the status."""
    show(sentence)
    raise SystemExit(status) from None


def show(sentence: str) -> None:
    """Print the sentence as an error."""
    print(f"error: {sentence}", file=sys.stderr)
