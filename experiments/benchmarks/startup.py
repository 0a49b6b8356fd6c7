"""How long commands take to answer, and a training from the start of its process to its first step."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from images import draw, overrides
from measure import Row

FIRST = """
import os, sys
from anomaly_lab import train
from anomaly_lab.module import AnomalyModule
AnomalyModule.training_step = lambda *_: os._exit(7)
train.main()
"""  # the import of the module is part of what a training does before its first step


def rows(short: bool) -> list[Row]:
    rounds = 1 if short else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = overrides(draw(folder / "data", 20, 10, 20, 64 if short else 256))
        small = ["model=tiny", "data.train_size=32"] if short else []
        commands = {
            "--help": (["-m", "anomaly_lab.train", "--help"], 0, 1.5),
            "--cfg job": (["-m", "anomaly_lab.train", *given, "--cfg", "job"], 0, 1.5),
            "process start to first training step, cached data": (["-c", FIRST, *given, *small], 7, 8.0),
        }
        found = []
        for what, (arguments, status, target) in commands.items():
            seconds = []
            for i in range(rounds + 1):  # the first one warms the caches
                start = time.perf_counter()
                done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
                seconds.append(time.perf_counter() - start)
                if done.returncode != status:
                    raise RuntimeError(f"{what} ended with status {done.returncode}: {done.stderr.decode()[-2000:]}")
                if short and not i:
                    break
            found.append(Row(what, statistics.median(seconds[1:] or seconds), "s", target, True))
    return found
