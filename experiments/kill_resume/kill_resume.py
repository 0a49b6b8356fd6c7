"""Kills a training with SIGKILL at random moments, starts the same command again until it ends, and compares with a training
that ran through: weights, history and results, bit for bit.

    python experiments/kill_resume/kill_resume.py          # 20 kills; `--kills 5` for fewer; writes table.md beside it
"""

import argparse
import csv
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from anomaly_lab.progress import bar

# three epochs of 20 steps with growing crops, a schedule, early stopping that waits, and a checkpoint every second
TINY = [
    "+category=carpet", "objective=amplify", "debug=default", "trainer.max_epochs=3", "data.steps_per_epoch=20", "batch_size=4",
    "trainer.max_time=null", "trainer.log_every_n_steps=1", "checkpoint_minutes=0.017",
]  # fmt: skip


def start(directory: Path, log: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "anomaly_lab.train", *TINY, f"hydra.run.dir={directory}", *more]
    return subprocess.Popen(command, stdout=log.open("a"), stderr=subprocess.STDOUT)


def differences(run: Path, other: Path) -> list[str]:
    """What of two finished runs is not the same."""
    found = []
    for name in ("last", "best"):
        a, b = (torch.load(r / f"checkpoints/{name}.ckpt", weights_only=True) for r in (run, other))
        if a["global_step"] != b["global_step"]:
            found.append(f"step of {name}.ckpt")
        same = [torch.equal(v.nan_to_num(), b["state_dict"][k].nan_to_num()) for k, v in a["state_dict"].items()]
        if not all(same) or a["state_dict"].keys() != b["state_dict"].keys():
            found.append(f"weights in {name}.ckpt")
    for name in ("metrics.csv", "scores.csv"):
        if (run / name).read_bytes() != (other / name).read_bytes():
            found.append(name)
    a, b = (json.loads((r / "metrics.json").read_text()) for r in (run, other))
    return found + [key for key in {**a, **b} if key != "train_seconds" and a.get(key) != b.get(key)]


def where(run: Path) -> str:
    """How far a run had come when it was killed."""
    if (run / "metrics.json").is_file():
        return "after its end"
    if (run / "scores.csv").is_file():
        return "testing"
    if not (run / "config.yaml").is_file():
        return "before the training"
    try:
        with (run / "metrics.csv").open() as file:
            return f"training, step {max((int(row['step']) + 1 for row in csv.DictReader(file)), default=0)}"
    except FileNotFoundError:
        return "before the first step"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, rows, began = random.Random(options.seed), [], time.monotonic()
    with tempfile.TemporaryDirectory() as name, bar("Killing") as update:
        folder = Path(name)
        log = folder / "log.txt"
        before = time.monotonic()
        if start(folder / "whole", log).wait():
            sys.exit(log.read_text())
        whole = time.monotonic() - before
        kills = runs = 0
        while kills < options.kills:
            runs += 1
            run, places = folder / f"run{runs}", []
            while not (run / "metrics.json").is_file():
                process = start(run, log)
                try:
                    process.wait(rng.uniform(0.1, 1.0) * whole if kills < options.kills else None)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                    places.append(where(run))
                    update(kills, options.kills)
                    continue
                if process.returncode:
                    sys.exit(log.read_text()[-4000:])
            differing = differences(run, folder / "whole")
            rows.append((runs, places, differing))
    report(rows, kills, whole, time.monotonic() - began, options.seed)
    sys.exit(any(differing for _, _, differing in rows))


def report(rows: list[tuple[int, list[str], list[str]]], kills: int, whole: float, seconds: float, seed: int) -> None:
    text = f"""# Killed at random moments

    python experiments/kill_resume/kill_resume.py --kills {kills} --seed {seed}

{kills} times SIGKILL over {len(rows)} trainings of 60 steps on the embedded carpet (`debug=default`, a checkpoint at least
every second), each started again by the same command until it ended, then compared with one that ran through ({whole:.0f} s):
weights of last.ckpt and best.ckpt, metrics.csv, scores.csv, and metrics.json but for train_seconds. {platform.machine()},
{len(os.sched_getaffinity(0))} core(s), torch {torch.__version__}; {seconds / 60:.0f} minutes.

| training | killed | differs from the uninterrupted one |
|---|---|---|
"""
    for number, places, differing in rows:
        text += f"| {number} | {'; '.join(places) or 'not'} | {', '.join(differing) or 'nothing'} |\n"
    print(text)
    (Path(__file__).parent / "table.md").write_text(text)


if __name__ == "__main__":
    main()
