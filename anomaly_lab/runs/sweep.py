"""A multirun as a whole: how each job ended, wherever it ran, and what that says about the command."""

import contextlib
import json
import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from anomaly_lab.files import write_text

FINISHED, SKIPPED, ELSEWHERE = "finished", "finished before", "in the hands of another process"
FAILED, CUT_OFF = "failed", "cut off"


@dataclass
class Ending:
    """How the job at hand ended; set by the command, read by the callback of the same process."""

    how: str = CUT_OFF
    why: str = ""


ending = Ending()
folder: Path | None = None  # of this process's multirun: one file a job, as it ends


class Jobs(Callback):
    """Hydra hands this object to the process of each job, so what they note here reaches the process that launched them."""

    def __init__(self) -> None:
        self.folder: Path | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        global folder
        name = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        self.folder = folder = Path(config.hydra.sweep.dir).resolve() / ".jobs" / name
        for path in folder.parent.glob("*-*-*"):
            host, process, _ = path.name.rsplit("-", 2)
            if host == socket.gethostname() and not _lives(int(process)):  # killed
                shutil.rmtree(path, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        ending.how, ending.why = CUT_OFF, "stopped or killed before its end"
        self._note(config)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        self._note(config)

    def _note(self, config: DictConfig) -> None:
        if self.folder is not None:
            record = {"directory": config.hydra.runtime.output_dir, "how": ending.how, "why": ending.why}
            write_text(self.folder / f"{config.hydra.job.num}.json", json.dumps(record))


def _lives(process: int) -> bool:
    """Whether there is a process with this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def conclude() -> bool:
    """Print how the jobs of this process's multirun ended; whether all ended well. True where there was none."""
    global folder
    if folder is None:
        return True
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("[0-9]*.json"), key=lambda path: int(path.stem))]
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another process's records are still there
        folder.parent.rmdir()
    sweep, folder = folder.parent.parent, None
    counts = {how: sum(record["how"] == how for record in records) for how in (FINISHED, SKIPPED, ELSEWHERE, CUT_OFF, FAILED)}
    print(f"{sweep}: {len(records)} jobs, " + ", ".join(f"{n} {how}" for how, n in counts.items() if n))
    failures = [record for record in records if record["how"] in (CUT_OFF, FAILED)]
    for record in failures:
        print(f"{record['how']}: {record['directory']}: {record['why']}", file=sys.stderr)
    return not failures
