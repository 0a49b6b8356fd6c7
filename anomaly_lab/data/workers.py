"""Worker processes that decode and corrupt images: how many, and how they end."""

import signal


def default_workers(cores: int, gpu: bool) -> int:
    """Worker processes beside a training on so many processor cores.

    None on two cores, where a worker would take a core from the training. Up to four on more, up to 16 where a GPU trains.
    """
    return max(0, min(16 if gpu else 4, cores - 2))


def ignore_interrupt(worker: int) -> None:
    """Let Ctrl-C pass: it reaches every process of a terminal, and the main process needs its workers until it ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
