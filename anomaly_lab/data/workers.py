"""Worker processes that decode and corrupt images: how many, and how they end."""

import signal
from types import FrameType

from anomaly_lab.signals import AGAIN


def default_workers(cores: int, gpu: bool) -> int:
    """Worker processes beside a training: they leave two of the `cores` to it; at most 4, or 16 where a GPU trains."""
    return max(0, min(16 if gpu else 4, cores - 2))


def ignore_interrupt(worker: int) -> None:
    """Let pass what stops a program: it reaches every process of a terminal or of a cluster's job, and the main one needs its
    workers to the end. SIGTERM, with which the main process may end a worker, is heeded when the main one has had its time."""
    for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):  # Windows lacks some
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, _end_later)


def _end_later(number: int, frame: FrameType | None) -> None:
    signal.alarm(int(AGAIN))  # SIGALRM ends the process
