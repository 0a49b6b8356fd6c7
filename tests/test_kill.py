"""kill -9 at random moments: the same command, repeated until it ends, gives the results of an uninterrupted run bit for bit.

experiments/kill_resume/kill_resume.py does it twenty times, at any moment of the process.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from conftest import assert_same_training, stripes, train_in_process

STEPS = ["data.steps_per_epoch=15", "trainer.log_every_n_steps=1", "checkpoint_minutes=0.001"]  # 30 steps
KILLS = 2


def test_a_run_that_is_killed_and_started_again_equals_an_uninterrupted_one(data_root: Path, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    whole = train_in_process(tmp_path, *stripes(data_root), *STEPS).directory
    run = tmp_path / "run"
    code = "import torch; torch.set_num_threads(1); from anomaly_lab.train import main; main()"
    command = [sys.executable, "-c", code, *stripes(data_root), *STEPS, f"hydra.run.dir={run}"]
    for _ in range(KILLS):
        before = stamp(run / "metrics.csv")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 600
        while stamp(run / "metrics.csv") == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.7))  # the training, which takes about a second, has begun
        process.send_signal(signal.SIGKILL)
        process.communicate()
    if not (run / "metrics.json").is_file():  # on a fast machine, the run may end before the last kill
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert ended.returncode == 0, ended.stderr
    assert_same_training(run, whole)


def stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0
