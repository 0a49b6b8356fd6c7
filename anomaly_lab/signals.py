"""Signals that stop a program. The exit status is 128 + the signal's number, 130 for Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# kill and cluster schedulers, a closed terminal, SLURM before a job's time is over; Windows lacks some of them
STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
INTERRUPTED = 128 + signal.SIGINT


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """In the block, the signals of `STOPPING` call the handler of Ctrl-C. A SystemExit of status 130 then gets their status."""
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)
        elif len(received) == 1:  # a shell starts a program in the background with Ctrl-C ignored
            raise KeyboardInterrupt

    with _handled(STOPPING, stop):
        try:
            yield
        except SystemExit as ended:
            if ended.code == INTERRUPTED and received:
                raise SystemExit(128 + received[0]) from None
            raise


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until the end of the block. An import that is interrupted leaves modules half made, and ends anyhow.

    A mask of signals would not do: it holds for one thread, and another one of the process would take the signal.
    """
    received: list[int] = []
    try:
        with _handled((signal.SIGINT, *STOPPING), lambda number, _: received.append(number)):
            yield
    finally:
        for number in received:
            signal.raise_signal(number)


@contextmanager
def _handled(numbers: Sequence[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """In the block, `handler` handles the signals `numbers`.

    A signal that is ignored stays so: nohup ignores SIGHUP. Only the main thread can handle signals; elsewhere nothing changes.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: old for n in numbers if (old := signal.getsignal(n)) not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
