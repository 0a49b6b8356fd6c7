"""Signals that stop a program. The exit status is 128 + the signal's number, 130 for Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# kill and cluster schedulers, a closed terminal, SLURM before a job's time is over; Windows lacks some of them
STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
INTERRUPTED = 128 + signal.SIGINT


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """In the block, the signals of `STOPPING` call the handler of Ctrl-C. A SystemExit of status 130 then gets their status.

    A signal that is ignored stays so: nohup ignores SIGHUP. Only the main thread can handle signals; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)
        elif len(received) == 1:  # a shell starts a program in the background with Ctrl-C ignored
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in STOPPING}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    except SystemExit as ended:
        if ended.code == INTERRUPTED and received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in handled:
            signal.signal(number, before[number])


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until the end of the block. An import that is interrupted leaves modules half made, and ends anyhow.

    A mask of signals would not do: it holds for one thread, and another one of the process would take the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *STOPPING)}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in handled:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
        for number in received:
            signal.raise_signal(number)
