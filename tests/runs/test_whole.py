"""A multirun whose jobs run in other processes stops as a whole."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import stripes

from anomaly_lab.runs import whole


def test_a_multirun_that_was_stopped_or_has_ended_starts_no_job(tmp_path: Path) -> None:
    assert not whole.stopped(tmp_path)
    (tmp_path / whole.STOPPED).touch()
    assert whole.stopped(tmp_path)
    assert whole.stopped(tmp_path / "gone")


def test_only_processes_of_this_machine_are_signalled(tmp_path: Path) -> None:
    for number, process in enumerate([whole.this_process(), ["elsewhere", os.getpid()], None]):
        (tmp_path / f"{number}.json").write_text(json.dumps({"process": process}))
    assert whole._running(tmp_path) == {os.getpid()}


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_signal_to_the_command_alone_stops_the_jobs_with_checkpoints(data_root: Path, tmp_path: Path, launcher: str) -> None:
    long = ["data.steps_per_epoch=100000", "seed=0,1", f"hydra/launcher={launcher}", "hydra.sweep.dir=sweep"]
    command = [sys.executable, "-m", "anomaly_lab.train", "-m", *stripes(data_root), *long]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(tmp_path.glob("sweep/*/metrics.csv"))) < 2:
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert err.endswith("error: stopped: start the same command again\n")
    assert "Traceback" not in err
    assert time.monotonic() - began < 10
    assert len(list(tmp_path.glob("sweep/*/checkpoints/last.ckpt"))) == 2
