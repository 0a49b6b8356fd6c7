"""Signals that stop a program. It ends in a sentence within ten seconds, with status 128 + the signal's number (Ctrl-C: 130).

A closed terminal or pipe belongs here too: the first sends SIGHUP, and writing to either fails.
"""

import atexit
import contextlib
import errno
import io
import os
import signal
import socket
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# kill and cluster schedulers, a closed terminal, SLURM before a job's time is over; Windows lacks some of them
STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
ALL = (signal.SIGINT, *STOPPING)
INTERRUPTED = 128 + signal.SIGINT
AGAIN, LAST = 6.0, 9.0  # seconds after the first signal: what still runs is interrupted again; the program ends

_status: list[int] = []  # with which the program is about to end
_came: list[int] = []  # the signals in the block of `like_ctrl_c`


def at_once(name: str) -> None:
    """At the head of a command, before its imports: a signal ends the program, which has done nothing yet.

    `name` is the module's `__name__`; where the module is imported, nothing changes.
    """
    if name == "__main__":
        for number in handled():
            signal.signal(number, _leave)
        # registered first, called last: after it Python gives signals back to the system, which would change the status
        atexit.register(_listen_no_more)


def _listen_no_more() -> None:
    for number in handled():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def leaving() -> Iterator[None]:
    """In the block, a signal ends the program at once. For a command's first imports, which may take long."""
    with handling(_leave):
        yield


def _leave(number: int, frame: FrameType | None = None) -> None:
    """End the program now: before its work, or after it, when its status is settled and its sentence is said."""
    if not _status:
        say("error: stopped before it began: start the same command again")
    os._exit(_status[-1] if _status else 128 + number)


def say(line: str) -> None:
    """Print a line from the handler of a signal, which may have interrupted another print."""
    with contextlib.suppress(OSError, AttributeError):  # there may be no screen any more
        os.write(sys.stderr.fileno(), f"{line}\n".encode(errors="backslashreplace"))


@contextmanager
def like_ctrl_c(stopped: str = "stopped") -> Iterator[list[int]]:
    """In the block, the signals of `STOPPING` call the handler of Ctrl-C. A SystemExit of status 130 then gets their status.

    Yields the signals of `STOPPING` that have come. The first one counts: a terminal or a cluster may send several. A signal
    that is ignored stays so: nohup ignores SIGHUP. If the block has not ended after 9 seconds, the program ends with the
    sentence `stopped`. Outside the main thread, nothing changes.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, frame: FrameType | None) -> None:
        _came.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if len(received) > 1:
            return
        if callable(handler):
            handler(signal.SIGINT, frame)
        else:  # a shell starts a program in the background with Ctrl-C ignored
            raise KeyboardInterrupt

    status: Any = 1
    try:
        with handling(stop), _watched(stopped):
            yield received
        status = 0
    except SystemExit as ended:
        status = 128 + received[0] if received and ended.code == INTERRUPTED else ended.code
        raise SystemExit(status) from None
    finally:
        _came.clear()
        _status.append(int(status or 0) if isinstance(status, int | None) else 1)


def asked() -> bool:
    """Whether a signal asks the program to stop. An error that follows may be its consequence: libraries wrap exceptions."""
    return bool(_came)


def handled() -> dict[int, Any]:
    """The signals that are not ignored, and their handlers."""
    handlers = {number: signal.getsignal(number) for number in ALL}
    return {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[dict[int, Any]]:
    """In the block, `handler` handles the signals. Yields the handlers that they had and get back.

    A signal that is ignored stays so. Only the main thread can handle signals; elsewhere nothing changes.
    """
    before = handled() if threading.current_thread() is threading.main_thread() else {}
    for number in before:
        signal.signal(number, handler)
    try:
        yield before
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _watched(stopped: str) -> Iterator[None]:
    """Interrupt the block again AGAIN seconds after its first signal, and end the program LAST seconds after it."""
    here, there = socket.socketpair()
    there.setblocking(False)
    before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)  # gets a byte for each signal, its number
    thread = threading.Thread(target=_watch, args=(here, stopped), daemon=True)
    with _blocked():  # the thread, too, must take no signal: a multirun may wait for them in another one
        thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        there.send(b"\0")  # to close it is not enough: processes that were forked have it open too
        thread.join()
        here.close()
        there.close()


@contextmanager
def _blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(arrived: socket.socket, stopped: str) -> None:
    while (number := arrived.recv(1)[0]) not in (0, *ALL):
        pass  # another signal, such as that of a child's end
    began = time.monotonic()
    if number and not _over(arrived, began + AGAIN):
        interrupt_main()
        if not _over(arrived, began + AGAIN + 0.2) and hasattr(signal, "pthread_kill"):  # also ends a wait for the system
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        if not _over(arrived, began + LAST):
            say(f"error: {stopped}")
            os._exit(128 + number)


def _over(arrived: socket.socket, until: float) -> bool:
    """Whether the block ends until then."""
    while (left := until - time.monotonic()) > 0:
        arrived.settimeout(left)
        with contextlib.suppress(TimeoutError):
            if b"\0" in arrived.recv(64):
                return True
    return False


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until the end of the block. An exception within an import would leave modules half made.

    A mask of signals would not do: it holds for one thread, and another one of the process would take the signal.
    """
    received: list[int] = []
    try:
        with handling(lambda number, _: received.append(number)):
            yield
    finally:
        for number in received:
            signal.raise_signal(number)


class _Screen(io.FileIO):
    """Standard output or error, which may be closed. What is written then is lost, and the program goes on."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return super().write(data)


@contextmanager
def screens_that_last() -> Iterator[None]:
    """In the block, a program whose terminal or pipe is closed (`| head -1`) goes on; after it, all is written or lost.

    Characters that the screen or file of the output can't show, such as λ in cp1252, are replaced.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_lasting, before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # where a program starts with a closed output
                stream.flush()
        sys.stdout, sys.stderr = before


def _lasting(stream: Any) -> Any:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    try:
        number = stream.fileno()
    except OSError:  # it lies in memory
        return stream
    stream.flush()
    buffer = io.BufferedWriter(_Screen(number, "w", closefd=False))
    return io.TextIOWrapper(
        buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering, write_through=stream.write_through
    )
