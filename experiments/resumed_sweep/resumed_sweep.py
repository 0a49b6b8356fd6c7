"""A sweep of 24 short jobs, two at a time, that is killed in the middle and started again, against one that ran through.

    python experiments/resumed_sweep/resumed_sweep.py      # or: make sweep; some minutes on two cores; --seeds 1 for 6 jobs

It fails unless all jobs are complete, none was run twice, and the two tables are equal.
"""

import argparse
import atexit
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from anomaly_lab.progress import bar

GRID = ["+category=carpet,grid", "objective.lam=0.3,0.5,0.9"]
SHORT = [
    "debug=default", "trainer.max_epochs=2", "data.steps_per_epoch=4", "trainer.max_time=null", "trainer.log_every_n_steps=1",
    "checkpoint_minutes=0.005", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
]  # fmt: skip
SHOWN = ("image_auroc", "pixel_auroc", "aupro", "threshold", "steps")


def start(sweep: Path, seeds: int) -> subprocess.Popen:
    grid = [*GRID, f"seed={','.join(map(str, range(seeds)))}"]
    command = [sys.executable, "-m", "anomaly_lab.train", "-m", *grid, *SHORT, f"hydra.sweep.dir={sweep}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", start_new_session=True
    )
    atexit.register(stop, process)
    return process


def stop(process: subprocess.Popen) -> None:
    """Kill the launcher and its workers, if it has not ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finished(sweep: Path) -> dict[Path, int]:
    """The finished jobs in a sweep's folder, and when they finished."""
    return {path.parent: path.stat().st_mtime_ns for path in sweep.glob("*/metrics.json")}


def training(sweep: Path) -> list[Path]:
    """The jobs that have a checkpoint and no result yet."""
    runs = (path.parent.parent for path in sweep.glob("*/checkpoints/last.ckpt"))
    return [run for run in runs if not (run / "metrics.json").is_file()]


def table(sweep: Path) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = {}
    for run in finished(sweep):
        metrics = json.loads((run / "metrics.json").read_text())
        rows[metrics["category"], metrics["lam"], metrics["seed"]] = tuple(metrics[name] for name in SHOWN)
    return dict(sorted(rows.items()))


def ended(process: subprocess.Popen, sweep: Path, update: Any) -> str:
    """What the sweep said when it has ended well."""
    said = ""
    for line in process.stdout or ():
        update(len(finished(sweep)))
        if re.search(r"\d+ jobs, ", line):
            said = line
    require(process.wait() == 0, f"{sweep.name} ended with status {process.returncode}")
    return said.split(": ")[-1].strip()


def require(true: bool, otherwise: str) -> None:
    if not true:
        sys.exit(f"FAILED: {otherwise}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    seeds = parser.parse_args().seeds
    jobs = 6 * seeds
    with tempfile.TemporaryDirectory() as name, bar("Jobs") as update:
        whole, killed = Path(name) / "whole", Path(name) / "killed"
        said = ended(start(whole, seeds), whole, lambda done: update(done, 2 * jobs))
        print(f"uninterrupted: {said}", flush=True)

        process = start(killed, seeds)
        while len(finished(killed)) < jobs // 3 or not training(killed):
            require(process.poll() is None, "the sweep that was to be killed ended by itself")
            time.sleep(0.02)
        stop(process)
        before = finished(killed)
        cut_off = [path.parent for path in killed.glob("*/config.yaml") if path.parent not in before]
        print(f"killed after {len(before)} jobs, with {len(cut_off)} cut off", flush=True)
        said = ended(start(killed, seeds), killed, lambda done: update(jobs + done, 2 * jobs))
        print(f"started again: {said}", flush=True)

        after = finished(killed)
        require(len(after) == jobs, f"{len(after)} of {jobs} jobs are complete")
        require({run: after[run] for run in before} == before, "a job that had finished was run again")
        for run in after:
            starts = 1 + len(json.loads((run / "environment.json").read_text()).get("resumed", []))
            require(starts == 1 + (run in cut_off), f"{run.name} was started {starts} times")
            require(not (run / "superseded").exists(), f"{run.name} was begun twice")
        first, second = table(whole), table(killed)
        require(len(first) == jobs, f"the uninterrupted sweep has {len(first)} of {jobs} results")
        require(first == second, "the tables differ")
        print("all jobs complete, none run twice, and the table equals that of the uninterrupted sweep:\n")
        print("category  λ    seed  " + "  ".join(f"{name:>13}" for name in SHOWN))
        for (category, lam, seed), values in second.items():
            print(f"{category:<9} {lam:<4} {seed:<5} " + "  ".join(f"{value:13.4f}" for value in values))


if __name__ == "__main__":
    main()
