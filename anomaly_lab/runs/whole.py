"""A multirun stops as a whole, also where a launcher runs its jobs in other processes of this machine.

A thread of the multirun's own process takes a signal, passes it on to every job that runs, waits for their checkpoints and then
interrupts the multirun. Ctrl-C of a terminal reaches all processes; those of the jobs do not listen to it.
"""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from anomaly_lab.signals import AGAIN, ALL, STOPPING, handling, like_ctrl_c, screens_that_last

POSSIBLE = hasattr(signal, "pthread_sigmask")  # not on Windows
STOPPED = "stopped"  # a file beside the jobs' records: no further job begins


def this_process() -> list[Any]:
    """The machine and the number of this process, for the record of a job that it runs."""
    return [socket.gethostname(), os.getpid()]


def lives(process: int) -> bool:
    """Whether this machine has a process with this number. True if the system can't tell."""
    if os.name == "nt":  # os.kill would send Ctrl-C there
        return True
    try:
        os.kill(process, 0)
    except OSError as error:  # any other error: the process is another user's
        return not isinstance(error, ProcessLookupError)
    return True


def stopped(folder: Path) -> bool:
    """Whether the multirun whose records lie in `folder` has been stopped, or has ended."""
    return not folder.is_dir() or (folder / STOPPED).exists()


@contextmanager
def stopping(folder: Path) -> Iterator[None]:
    """In the process of a multirun: in the block, a signal first stops the jobs whose records lie in `folder`."""
    if not POSSIBLE or threading.current_thread() is not threading.main_thread():
        yield
        return
    over = threading.Event()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ALL)  # the processes that start in the block inherit it
    thread = threading.Thread(target=_pass_on, args=(folder, over), daemon=True)
    thread.start()

    def hand_over(number: int, frame: FrameType | None) -> None:  # joblib unblocks some signals in this thread
        if over.is_set():
            before[number](number, frame)
        else:
            signal.pthread_kill(thread.ident, number)  # type: ignore[arg-type]

    try:
        with handling(hand_over) as before:
            try:
                yield
            finally:
                over.set()
                if thread.is_alive():
                    signal.pthread_kill(thread.ident, signal.SIGUSR1)  # type: ignore[arg-type]
                thread.join()  # it may be passing a signal on, and then interrupts this
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _pass_on(folder: Path, over: threading.Event) -> None:
    number = signal.sigwait(ALL)
    if over.is_set():
        return
    (folder / STOPPED).touch()
    until, asked = time.monotonic() + AGAIN, set[int]()
    while (left := _running(folder)) and time.monotonic() < until and signal.SIGINT not in signal.sigpending():
        for process in left - asked:
            _send(process, signal.SIGTERM)
        asked |= left
        time.sleep(0.05)
    for process in left:  # Ctrl-C again, or a job that would not stop with a checkpoint any more
        _send(process, signal.SIGKILL)
    while more := signal.sigpending() & set(ALL):
        signal.sigwait(more)
    over.set()
    interrupt_main(signal.Signals(number))


def _send(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.kill(process, number)


def _running(folder: Path) -> set[int]:
    """The processes of this machine that run a job."""
    records = [json.loads(path.read_text()) for path in folder.glob("[0-9]*.json")]
    here = [record["process"][1] for record in records if record["process"] and record["process"][0] == socket.gethostname()]
    return {process for process in here if lives(process)}


@contextmanager
def job_elsewhere() -> Iterator[list[int]]:
    """In the process that runs a job for a multirun's own one: a signal stops the block. Yields the signals that have come."""
    with screens_that_last(), like_ctrl_c() as received:
        if not POSSIBLE:
            yield received
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        try:
            yield received
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
