"""A multirun whose jobs run in other processes stops as a whole."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import stripes

from anomaly_lab.runs import whole
from anomaly_lab.signals import ALL, like_ctrl_c


def test_a_multirun_that_was_stopped_or_has_ended_starts_no_job(tmp_path: Path) -> None:
    assert not whole.stopped(tmp_path)
    (tmp_path / whole.STOPPED).touch()
    assert whole.stopped(tmp_path)
    assert whole.stopped(tmp_path / "gone")


def test_only_processes_of_this_machine_are_signalled(tmp_path: Path) -> None:
    for number, process in enumerate([whole.this_process(), ["elsewhere", os.getpid()], None]):
        (tmp_path / f"{number}.json").write_text(json.dumps({"process": process}))
    assert whole._running(tmp_path) == {os.getpid()}


@pytest.mark.parametrize("unblocked", [False, True], ids=["", "joblib unblocks some"])
@pytest.mark.parametrize("number", ALL)
def test_a_job_is_stopped_before_the_multirun_is_interrupted(tmp_path: Path, number: signal.Signals, unblocked: bool) -> None:
    """Whichever thread the system gives the signal to."""
    before = {each: signal.getsignal(each) for each in ALL}
    with subprocess.Popen(["sleep", "60"]) as job:
        (tmp_path / "0.json").write_text(json.dumps({"process": [socket.gethostname(), job.pid]}))
        ended = threading.Event()
        threading.Thread(target=lambda: ended.set() if job.wait() else None, daemon=True).start()
        with pytest.raises(KeyboardInterrupt), like_ctrl_c(), whole.stopping(tmp_path):
            if unblocked:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)
            os.kill(os.getpid(), number)
            for _ in range(50):  # launchers wait in short steps, between which a signal that another thread took is handled
                time.sleep(0.02)
            assert ended.is_set()
            for _ in range(300):
                time.sleep(0.02)
        assert job.wait(1) == -signal.SIGTERM
    assert whole.stopped(tmp_path)
    assert {each: signal.getsignal(each) for each in ALL} == before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(ALL)


def test_a_multirun_that_ends_leaves_signals_as_they_were(tmp_path: Path) -> None:
    before, threads = [signal.getsignal(each) for each in ALL], threading.active_count()
    with whole.stopping(tmp_path):
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) >= set(ALL), "processes that start here inherit it"
    assert ([signal.getsignal(each) for each in ALL], threading.active_count()) == (before, threads)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(ALL)


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_signal_to_the_command_alone_stops_the_jobs_with_checkpoints(data_root: Path, tmp_path: Path, launcher: str) -> None:
    long = [
        "data.steps_per_epoch=50",
        "trainer.max_epochs=1000",
        "trainer.max_time=null",
        "seed=0,1",
        f"hydra/launcher={launcher}",
        "hydra.sweep.dir=sweep",
    ]
    command = [sys.executable, "-m", "anomaly_lab.train", "-m", *stripes(data_root), *long]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(tmp_path.glob("sweep/*/checkpoints/last.ckpt"))) < 2:
        time.sleep(0.05)
    time.sleep(0.5)
    began = time.time()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    seconds = time.time() - began
    _, err = process.communicate(timeout=60)  # until submitit's own processes have ended too
    assert process.returncode == 128 + signal.SIGTERM, err
    assert err.endswith("error: stopped: start the same command again\n")
    assert "Traceback" not in err
    assert seconds < 10
    assert [path.stat().st_mtime > began for path in tmp_path.glob("sweep/*/checkpoints/last.ckpt")] == [True, True]
