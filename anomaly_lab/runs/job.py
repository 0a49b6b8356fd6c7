"""The jobs of a command, one or the many of a multirun: how they start and end, in whichever process they run.

The process that starts a multirun makes a folder. Hydra hands the callback, which knows the folder, to the process of each job;
the callback writes the job's record there.
"""

import contextlib
import json
import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from anomaly_lab.errors import InUse, Refused, as_sentence, end, ending_in_a_sentence, in_words, show
from anomaly_lab.files import write_text
from anomaly_lab.runs import command_line, directory, lock, whole
from anomaly_lab.signals import asked, deferred, leaving

log = logging.getLogger(__name__)
FINISHED, SKIPPED, ELSEWHERE = "finished", "finished before", "in the hands of another process"
FAILED, CUT_OFF = "failed", "cut off"
BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"  # it runs the jobs in the multirun's own process
CUT = "stopped or killed before its end"
# the record folders of the multiruns that a `concluded` block starts, and what ends with them
_started: ContextVar[tuple[list[Path], contextlib.ExitStack]] = ContextVar("started")
# in a job of another process: the folder of its record, and what writes there that this process runs it
_elsewhere: ContextVar[tuple[Path, Callable[[], None]] | None] = ContextVar("elsewhere", default=None)


class Ending(NamedTuple):
    """How a job ended: one of the words above, a sentence if it failed, and the value that a sweeper may maximise."""

    how: str
    why: str = ""
    value: float | None = None


def command(job: Callable[[], Any]) -> None:
    """Check and complete the command line, then call `job`, a function decorated by hydra.main."""
    with ending_in_a_sentence("stopped: start the same command again"), concluded(), _raised_by_hydra():
        sys.argv[1:] = command_line.prepared(sys.argv[1:])
        job()


@contextlib.contextmanager
def _raised_by_hydra() -> Iterator[None]:
    """In the block, Hydra raises errors. Otherwise it prints some in several lines or as a stack trace."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR") if before is None else os.environ.update(HYDRA_FULL_ERROR=before)


def ended(work: Callable[[], Ending], noted: bool) -> Ending:
    """Do the work of a job and return how it ended.

    A job of a multirun that fails does not end the multirun. A single run that fails ends the program with a sentence. If the
    error may be a bug, its stack trace goes to the job's log file. `noted`: whether the reason is also written to the job's
    error.txt, for the report. With hydra.job.chdir, relative paths keep their meaning: the work is done where the command was.
    """
    if not (elsewhere := _elsewhere.get()):
        return _ended(work, noted)
    with whole.job_elsewhere() as signals:
        try:
            if not whole.stopped(elsewhere[0]):
                return _ended(work, noted)
        except (KeyboardInterrupt, SystemExit):
            if not signals and not whole.stopped(elsewhere[0]):
                raise
        return Ending(CUT_OFF, CUT)


def _ended(work: Callable[[], Ending], noted: bool) -> Ending:
    hydra = HydraConfig.get()
    try:
        with contextlib.chdir(hydra.runtime.cwd) if hydra.job.chdir else contextlib.nullcontext():
            return work()
    except InUse as error:
        if not directory.in_multirun():
            end(str(error))
        print(error)
        return Ending(ELSEWHERE)
    except Exception as error:
        if as_sentence(error) is None:
            if asked():
                raise KeyboardInterrupt from error
            _log_trace()
        reason, run = in_words(error), Path(hydra.runtime.output_dir)
        if noted and not isinstance(error, Refused) and not lock.in_use(run):
            with contextlib.suppress(OSError):  # the disk may be full, which may be the reason
                write_text(run / directory.FAILURE, f"{reason}\n")
        if not directory.in_multirun():
            end(reason)
        show(reason)
        return Ending(FAILED, reason)


def _log_trace() -> None:
    """Write the stack trace of the error being handled to the job's log file, and not to the screen."""
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, "", (), sys.exc_info())
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """For a job's first imports: a signal ends the program, which has done nothing yet.

    In another process's job, which the multirun doesn't wait for so early, it is heeded afterwards.
    """
    if not (elsewhere := _elsewhere.get()):
        with leaving():
            yield
        return
    with deferred():
        yield
    folder, begin = elsewhere
    begin()
    if whole.stopped(folder):
        raise KeyboardInterrupt


class Jobs(Callback):
    """Records how each job of a multirun starts and ends. The job returns an Ending; Hydra's sweeper gets its value."""

    def __init__(self) -> None:
        self.folder: Path | None = None  # of the records; None in a single run
        self.process = whole.this_process()  # of the multirun

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        self.folder = Path(config.hydra.sweep.dir).resolve() / ".jobs" / name
        for path in self.folder.parent.glob("*-*-*"):
            host, process, _ = path.name.rsplit("-", 2)
            if host == socket.gethostname() and not whole.lives(int(process)):  # it was killed
                shutil.rmtree(path, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        folders, context = _started.get(([], contextlib.ExitStack()))
        folders.append(self.folder)
        if config.hydra.launcher._target_ != BASIC:
            context.enter_context(whole.stopping(self.folder))

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        begun = Ending(CUT_OFF, CUT)
        self._record(config, begun)
        if self.folder and self.process != whole.this_process():
            _elsewhere.set((self.folder, partial(self._record, config, begun, whole.this_process())))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if job_return.status is JobStatus.COMPLETED:
            ending: Ending = job_return.return_value
            self._record(config, ending)
            job_return.return_value = ending.value

    def _record(self, config: DictConfig, ending: Ending, process: list[Any] | None = None) -> None:
        """Write the job's record; `process` is another one that runs the job now."""
        if self.folder is not None and self.folder.is_dir():  # else the multirun has been stopped
            record = {"directory": config.hydra.runtime.output_dir, "how": ending.how, "why": ending.why, "process": process}
            write_text(self.folder / f"{config.hydra.job.num}.json", json.dumps(record))


@contextlib.contextmanager
def concluded() -> Iterator[None]:
    """Print how a multirun's jobs ended, even if the block was stopped. SystemExit, status 1, if one failed or was cut off."""
    folders: list[Path] = []
    try:
        with contextlib.ExitStack() as context:
            token = _started.set((folders, context))
            context.callback(_started.reset, token)
            yield
    finally:
        well = all([_conclude(folder) for folder in folders])
    if not well:
        raise SystemExit(1)


def _conclude(folder: Path) -> bool:
    """Print how many jobs ended in which way, remove their records, and return whether none failed or was cut off."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("[0-9]*.json"), key=lambda path: int(path.stem))]
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # it also holds the records of another process
        folder.parent.rmdir()
    counts = {how: sum(record["how"] == how for record in records) for how in (FINISHED, SKIPPED, ELSEWHERE, CUT_OFF, FAILED)}
    print(f"{folder.parent.parent}: " + ", ".join([f"{len(records)} jobs", *(f"{n} {how}" for how, n in counts.items() if n)]))
    failures = [record for record in records if record["how"] in (CUT_OFF, FAILED)]
    for record in failures:
        print(f"{record['how']}: {record['directory']}: {record['why']}", file=sys.stderr)
    return not failures
