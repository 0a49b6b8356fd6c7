"""Signals that stop a program do what Ctrl-C does, with a status of their own."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from anomaly_lab.errors import ending_in_a_sentence
from anomaly_lab.signals import STOPPING, deferred, like_ctrl_c


@pytest.mark.parametrize("number", [signal.SIGINT, *STOPPING])
def test_a_signal_ends_the_program_with_a_sentence_and_its_status(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(each) for each in STOPPING]
    with pytest.raises(SystemExit) as end, ending_in_a_sentence("stopped: go on"):
        os.kill(os.getpid(), number)
        signal.sigtimedwait([], 1)  # until the handler has run
    assert end.value.code == 128 + number
    assert capsys.readouterr().err == "error: stopped: go on\n"
    assert [signal.getsignal(each) for each in STOPPING] == before


@pytest.mark.parametrize("number", STOPPING)
def test_a_program_in_the_background_ends_too(number: int) -> None:
    """A shell's script starts it with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as end, ending_in_a_sentence("stopped"):
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == 128 + number


def test_another_status_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, like_ctrl_c():
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        raise SystemExit(3)
    assert end.value.code == 3


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with like_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_changes_no_handler() -> None:
    seen = []

    def work() -> None:
        with like_ctrl_c():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_signal_waits_for_the_end_of_an_import() -> None:
    """Another thread takes the signal, as libraries with threads of their own may do."""
    imported = []
    before = [signal.getsignal(each) for each in (signal.SIGINT, *STOPPING)]
    with pytest.raises(SystemExit) as end, ending_in_a_sentence("stopped"):
        with deferred():
            thread = threading.Thread(target=signal.raise_signal, args=[signal.SIGTERM])
            thread.start()
            thread.join()
            imported.append(True)
        imported.append(False)
    assert imported == [True] and end.value.code == 128 + signal.SIGTERM
    assert [signal.getsignal(each) for each in (signal.SIGINT, *STOPPING)] == before


def test_what_nohup_ignores_stays_ignored_during_an_import() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
