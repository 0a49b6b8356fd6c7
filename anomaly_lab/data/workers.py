"""Worker processes that decode and corrupt images: how many, and how they end."""

import signal


def default_workers(cores: int, gpu: bool) -> int:
    """Worker processes beside a training: they leave two of the `cores` to it; at most 4, or 16 where a GPU trains."""
    return max(0, min(16 if gpu else 4, cores - 2))


def ignore_interrupt(worker: int) -> None:
    """Let Ctrl-C pass: it reaches every process of a terminal, and the main process needs its workers until it ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
