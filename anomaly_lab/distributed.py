"""Training in several processes on one machine: each takes its share of every batch (Lightning's DDP joins their gradients).

    python -m anomaly_lab.train +category=carpet trainer=ddp trainer.devices=2

The command itself starts the processes, waits for them and then calibrates and tests alone: so the test is that of one process.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from anomaly_lab.errors import UserError

WORKER = "anomaly_lab.training_process"  # started by its name: it needs all that a run needs, and this module next to nothing
PATIENCE = 60  # seconds that processes have to end when one of them has stopped or failed


def count(config: DictConfig) -> int:
    """How many processes train."""
    devices = config.trainer.devices
    return devices if isinstance(devices, int) and devices > 1 else 1


def alone(config: DictConfig) -> DictConfig:
    """The same configuration for one process."""
    if count(config) == 1:
        return config
    one = config.copy()
    one.trainer.devices, one.trainer.strategy = 1, "auto"
    return one


def train(directory: Path, processes: int, lock: int) -> None:
    """Train the run in `directory` until its last checkpoint. `lock`: the open file that holds the directory; it stays locked
    until the last process has ended. UserError for what a user can mend, KeyboardInterrupt after Ctrl-C."""
    with tempfile.TemporaryDirectory() as folder:
        reason = Path(folder) / "reason"
        with _forwarding_interrupts() as group:
            port = _free_port()
            for rank in range(processes):
                group.append(_start(directory, rank, processes, lock, reason, port))
            codes = _wait(group)
        if reason.is_file():
            raise UserError(reason.read_text(encoding="utf-8"))
        if any(code == 130 for code in codes):
            raise KeyboardInterrupt
        if any(codes):
            status = next(code for code in codes if code)
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            raise UserError(
                f"one of {processes} training processes {how}: what it said stands above; resume={directory} goes on"
            )


def _free_port() -> int:
    """Where the processes meet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _start(directory: Path, rank: int, processes: int, lock: int, reason: Path, port: int) -> subprocess.Popen:
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    arguments = [str(directory), str(processes), str(reason), str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, "-m", WORKER, *arguments],
        env=os.environ | meeting,
        pass_fds=[lock],
        stdout=None if rank == 0 else subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C reaches them once, through this process
    )


@contextlib.contextmanager
def _forwarding_interrupts() -> Any:
    """Yield a list for processes, which get each SIGINT of this one and do not outlive the block."""
    group: list[subprocess.Popen] = []

    def forward(number: int, frame: Any) -> None:
        for process in group:
            process.send_signal(number)

    before: Any = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, forward)
    try:
        yield group
    finally:
        for process in group:
            process.kill()
            process.wait()
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _wait(group: list[subprocess.Popen]) -> list[int]:
    """The exit codes, when all have ended; the others are ended when one fails and they don't follow."""
    deadline: float | None = None
    while any(process.poll() is None for process in group):
        if deadline is None and any(process.returncode for process in group):
            deadline = time.monotonic() + PATIENCE
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return [process.returncode or 0 for process in group]
