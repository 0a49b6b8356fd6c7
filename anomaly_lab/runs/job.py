"""What the commands share: how one starts, and how each of its jobs ends."""

import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from anomaly_lab.errors import InUse, Refused, UserError, as_sentence, end, ending_in_a_sentence, show
from anomaly_lab.files import write_text
from anomaly_lab.runs import command_line, directory, lock, sweep
from anomaly_lab.runs.sweep import Ending

log = logging.getLogger(__name__)


def command(job: Callable[[], Any]) -> None:
    """Check and complete the command line, then call `job`, a function decorated by hydra.main."""
    with sweep.concluded(), ending_in_a_sentence("stopped: start the same command again"):
        sys.argv[1:] = command_line.prepared(sys.argv[1:])
        job()


def ended(work: Callable[[], Ending], noted: bool) -> Ending:
    """Do the work of a job and return how it ended.

    A job of a multirun that fails does not end the multirun. A single run that fails ends the program: with a sentence, or
    with a stack trace if the error is a bug. `noted`: whether the reason is also written to error.txt in the job's directory,
    for the report.
    """
    try:
        return work()
    except InUse as error:
        if not directory.in_multirun():
            end(str(error))
        print(error)
        return Ending(sweep.ELSEWHERE)
    except Exception as error:
        sentence = _sentence(error)
        reason = " ".join((sentence or f"{type(error).__name__}: {error}").split())
        if noted and not isinstance(error, Refused):
            _note(reason)
        if not directory.in_multirun():
            if sentence is None:
                raise
            end(reason)
        if sentence is None:
            log.info("", exc_info=True)  # the stack trace goes to the job's log file
        show(reason)
        return Ending(sweep.FAILED, reason)


def _sentence(error: Exception) -> str | None:
    """The sentence for an error that the user can mend, None for a bug."""
    if isinstance(error, UserError):
        return str(error)
    return as_sentence(error) if isinstance(error, OSError) else None


def _note(reason: str) -> None:
    """Write the reason to error.txt in the job's directory, unless another process works there."""
    run = Path(HydraConfig.get().runtime.output_dir)
    if not lock.in_use(run):
        with contextlib.suppress(OSError):  # the disk may be full, which may be the reason
            write_text(run / directory.FAILURE, f"{reason}\n")
