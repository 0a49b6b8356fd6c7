"""Carry out the runs that are not finished, and say meanwhile how many are and how long the others take."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jobs import Job, batches, overrides

LOOK = 2.0  # seconds between two looks at the folders while a command runs
LOG = "log.txt"  # in the folder of the runs: what the training commands print
# Hydra's launchers: the options for `jobs` runs side by side, each of at most `minutes`, on nodes with a GPU
LAUNCHERS: dict[str, Sequence[str]] = {
    "joblib": ["hydra.launcher.n_jobs={jobs}"],
    "submitit_slurm": [
        *("hydra.launcher.array_parallelism={jobs}", "hydra.launcher.timeout_min={minutes}"),
        *("hydra.launcher.gpus_per_node=1", "hydra.launcher.cpus_per_task=8"),
    ],
    "ray": ["+hydra.launcher.ray.remote.num_gpus=1", "+hydra.launcher.ray.remote.num_cpus=8"],
}


class Way(NamedTuple):
    """How runs are carried out.

    folder:   below which each run has its own
    launcher: one of LAUNCHERS; None: one run after the other, each in a process of its own
    jobs:     runs side by side
    protocol: options that all runs share
    """

    folder: Path
    launcher: str | None
    jobs: int
    protocol: Sequence[str]


def finished(job: Job, folder: Path) -> bool:
    """Whether the job has a result, which is not repeated."""
    return (folder / job.place / "metrics.json").is_file()


def commands(way: Way, jobs: Sequence[Job], seconds: float) -> list[tuple[list[Job], list[str]]]:
    """The training commands: (jobs, arguments) each. `seconds`: what the longest job takes, for a queue's limit."""
    launch: list[str] = []
    if way.launcher is not None:
        limit = {"jobs": way.jobs, "minutes": max(10, round(2 * seconds / 60))}
        launch = [f"hydra/launcher={way.launcher}", *(option.format(**limit) for option in LAUNCHERS[way.launcher])]
    groups = [[job] for job in jobs] if way.launcher is None else batches(jobs)
    return [(group, ["-m", *launch, *overrides(group), f"hydra.sweep.dir={way.folder}", *way.protocol]) for group in groups]


def carry_out(way: Way, jobs: Mapping[Job, float]) -> list[Job]:
    """Run the jobs, given with their estimated seconds, that have no result. Returns those that have none afterwards."""
    left = [job for job in jobs if not finished(job, way.folder)]
    if not left:
        return []
    eta, shown = Eta({job: jobs[job] for job in left}, way.jobs), 0
    print(f"{eta.line(0)}. The trainings' own output: {way.folder / LOG}", flush=True)

    def look() -> None:
        nonlocal shown
        done = [job for job in left if finished(job, way.folder)]
        if len(done) > shown:
            shown = len(done)
            print(eta.line(sum(jobs[job] for job in done), shown), flush=True)

    for group, arguments in commands(way, left, max(jobs.values())):
        if all(finished(job, way.folder) for job in group):  # by another process, on another GPU
            continue
        print(f"  {group[0]}" + (f" and {len(group) - 1} more" if group[1:] else ""), flush=True)
        launch(arguments, way.folder / LOG, look)
        look()
    return [job for job in left if not finished(job, way.folder)]


class Eta:
    """How long the rest takes: the estimate at first, then by the time that the runs so far have taken."""

    def __init__(self, estimates: Mapping[Job, float], jobs: int) -> None:
        self.count, self.total, self.jobs = len(estimates), sum(estimates.values()), jobs
        self.begun = time.monotonic()

    def left(self, done: float) -> float:
        """Seconds; `done`: the estimate of what has finished."""
        pace = (time.monotonic() - self.begun) / done if done else 1 / self.jobs  # seconds for an estimated second
        return pace * (self.total - done)

    def line(self, done: float, count: int = 0) -> str:
        """ "3 of 60 runs, about 4 h 10 min left"."""
        return f"{count} of {self.count} runs, about {in_words(self.left(done))} left"


def in_words(seconds: float) -> str:
    """400,000 → "111 h"; 14,700 → "4 h 05 min"; 95 → "2 min"; 12 → "12 s"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 100:
        return f"{hours:,} h"
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min"


def launch(arguments: Sequence[str], log: Path, look: Callable[[], None]) -> None:
    """Run the training command and call `look` meanwhile. If this program is stopped, the training stops with a checkpoint."""
    with log.open("a", encoding="utf-8") as output:
        # a group of its own: Ctrl-C of the terminal reaches this program alone, and the training gets one signal
        training = subprocess.Popen(
            [sys.executable, "-m", "anomaly_lab.train", *arguments], stdout=output, stderr=output, process_group=0
        )
        try:
            while training.poll() is None:
                look()
                time.sleep(LOOK)
        finally:  # nothing is left to stop, unless this program is stopped
            training.terminate()
            training.wait()
