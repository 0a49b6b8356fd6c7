"""The exceptions that a user's mistake raises; commands print its sentence and exit 1, without a stack trace."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """A mistake that the user can mend: the message names the thing and the remedy in one sentence."""


class Refused(UserError):
    """What is asked for is not what a run's directory holds: the run stays as it is, and nothing is noted in it."""


class InUse(Refused):
    """Another process is at work in a run's directory: in a sweep that is no failure, since the job is being done."""


def unwritable(folder: Path, error: OSError, key: str) -> UserError:
    """The UserError for a folder that nothing can be written to; `key` is the option that names another one."""
    return UserError(f"{folder} cannot be written to ({error.strerror}): choose another directory with {key}")


@contextmanager
def ending_in_a_sentence(stopped: str | None = None) -> Iterator[None]:
    """A UserError in the block is printed and ends the program, and so does Ctrl-C where there is a sentence for it.

    Needed inside Hydra's callbacks too: no exception but SystemExit gets through, Hydra makes warnings of the others.
    """
    try:
        yield
    except UserError as error:
        _end(str(error))
    except KeyboardInterrupt:
        if stopped is None:
            raise
        _end(stopped)


def _end(sentence: str) -> None:
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(1) from None
