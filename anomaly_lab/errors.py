"""Errors that a user can mend. A command prints one as a sentence, without a stack trace, and exits with status 1."""

import contextlib
import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from anomaly_lab.signals import INTERRUPTED, asked, like_ctrl_c, screens_that_last

DEBUG = "ANOMALY_LAB_DEBUG"  # environment variable: 1 shows the stack trace before each sentence
FULL = ("could not be written", "free some space or choose another directory")
DENIED = ("can't be read or written", "change its permissions or choose another directory")
READ_ONLY = ("could not be written", "choose a directory on another file system")
ELSEWHERE = ("can't be read or written", "check the path and what lies there")
DAMAGED = ("can't be read or written", "check the disk or the network behind it, and start again")
# what an operating system's error means for a file, and its remedy
REMEDIES = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: READ_ONLY, errno.EACCES: DENIED, errno.EPERM: DENIED}
NAMELESS = frozenset(REMEDIES)  # of these, an error is worth a sentence even if it names no file
REMEDIES |= dict.fromkeys((errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG), ELSEWHERE)
REMEDIES |= dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN), DAMAGED)
# what libraries say about the machine, in errors of many types → what it means, and its remedy
WANTS = {
    r"shared memory|</torch_|shm_open|bus error|worker \(pid.*(killed|exited)|DataLoader worker(.|\n)*No space left": (
        "worker processes have too little shared memory, or were killed: use data.num_workers=0, or give a container more "
        "shared memory, in docker with --shm-size=1g"
    ),
    r"not enough memory|(can't|cannot|failed to|unable to) allocate|"
    r"insufficient memory|out of memory|MemoryError|storage size calculation": (
        "there is too little memory: use smaller images or crops (image_size, data.train_size, scoring.tile), a smaller "
        "batch_size, or a smaller model"
    ),
    r"can't start new thread|resource temporarily unavailable": (
        "the system starts no more processes or threads: use a smaller data.num_workers, or raise the limit with ulimit -u"
    ),
    r"determine home directory": "there is no such home directory: write the whole path, without ~",
    r"symlink loop": "a link leads in a circle: remove it, or give the path of what it should lead to",
    r"too many open files": "too many files are open: raise the limit with ulimit -n, or use data.num_workers=0",
}


class UserError(Exception):
    """A mistake that the user can mend. The message is one sentence: the thing, its value and the remedy."""


class Refused(UserError):
    """A command doesn't fit what a run's directory holds. The directory stays as it is."""


class InUse(Refused):
    """Another process works in a run's directory. In a sweep this is no failure: the job is being done."""


def as_sentence(error: BaseException) -> str | None:
    """The sentence for what a user, the system or a want of the machine causes; None for an error that may be a bug."""
    if isinstance(error, UserError):
        return _said(error).removeprefix("anomaly_lab.errors.UserError: ")
    if isinstance(error, OSError) and error.errno in REMEDIES and (error.filename or error.errno in NAMELESS):
        what, remedy = REMEDIES[error.errno]
        return printable(f"{error.filename or 'a file'} {what} ({error.strerror}): {remedy}")
    if type(error).__name__ == "MissingConfigException":  # Hydra lists the known choices, one a line
        return str(error).strip()
    library = type(error).__module__.partition(".")[0]  # not imported, since most rooms know nothing of configurations
    if library == "hydra":
        return _said(error).replace(", set env var HYDRA_FULL_ERROR=1 to see chained exception", "")
    if library in ("omegaconf", "yaml"):
        return f"the configuration can't be used: {_said(error)}"
    if not isinstance(error, OSError | RuntimeError | MemoryError) and library != "cv2":
        return None
    known = (sentence for pattern, sentence in WANTS.items() if re.search(pattern, f"{error!r}: {error}", re.IGNORECASE))
    return next((f"{sentence} ({_said(error)[:200] or type(error).__name__})" for sentence in known), None)


def in_words(error: BaseException) -> str:
    """One sentence for any error. Without a remedy of its own, the error names its type and how to see where it arose."""
    unknown = f"{type(error).__name__}: {_said(error)} (a wrong option, or a bug: {DEBUG}=1 shows where)"
    return as_sentence(error) or unknown


def _said(error: BaseException) -> str:
    """An error's message on one line. That of a worker process holds a stack trace, whose last line is the message."""
    said = str(error).strip()
    return printable(said.splitlines()[-1] if "Original Traceback" in said else said)


def printable(said: str) -> str:
    """A text on one line, with what is no text (see `is_text`) as escapes."""
    return re.sub(r"\s*[\r\n]\s*", " ", said).encode("utf-8", "backslashreplace").decode()


def is_text(name: str) -> bool:
    """Whether UTF-8 can hold a name: a file's name may be bytes that are no text."""
    return name.encode(errors="replace").decode() == name


def unwritable(folder: Path, error: OSError, key: str) -> UserError:
    """The UserError for a folder that nothing can be written to; `key` is the option that names another one."""
    return UserError(f"{folder} cannot be written to ({error.strerror}): choose another directory with {key}")


@contextmanager
def ending_in_a_sentence(stopped: str | None = None) -> Iterator[None]:
    """End the program with a sentence if the block raises an error. After Ctrl-C the sentence is `stopped`, if given.

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
            if isinstance(error, Exception) and (as_sentence(error) or not asked()):
                end(in_words(error))
            if stopped is None:
                raise KeyboardInterrupt from error
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program is ending
            end(stopped, INTERRUPTED)


def end(sentence: str, status: int = 1) -> NoReturn:
    """Print the sentence as an error and end the program with the status."""
    show(sentence)
    raise SystemExit(status) from None


def show(sentence: str) -> None:
    """Print the sentence as an error, after the stack trace of the error being handled if the user asks for that."""
    if os.environ.get(DEBUG, "0") not in ("", "0") and sys.exc_info()[1] is not None:
        traceback.print_exc()
    print(f"error: {sentence}", file=sys.stderr)
