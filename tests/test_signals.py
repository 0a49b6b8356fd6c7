"""Signals that stop a program do what Ctrl-C does, with a status of their own."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from anomaly_lab.errors import ending_in_a_sentence
from anomaly_lab.signals import ALL, INTERRUPTED, STOPPING, at_once, deferred, like_ctrl_c


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


def test_an_error_that_a_signal_has_caused_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """Python 3.11 wraps what is raised while a class is made, for example in an import."""
    with pytest.raises(SystemExit) as end, ending_in_a_sentence("stopped: go on"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.sigtimedwait([], 1)
        except KeyboardInterrupt as stop:
            raise RuntimeError("Error calling __set_name__") from stop
    assert end.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "error: stopped: go on\n"
    with pytest.raises(SystemExit) as end, ending_in_a_sentence("stopped: go on"):
        raise RuntimeError("a bug")
    assert end.value.code == 1 and "RuntimeError: a bug" in capsys.readouterr().err


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


def program(code: str, **streams: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, **streams)


def test_a_signal_during_a_commands_imports_ends_it_at_once() -> None:
    code = "import os, signal; from anomaly_lab.signals import at_once; at_once('__main__'); signal.raise_signal(15)"
    ended = program(code)
    assert ended.communicate()[1] == "error: stopped before it began: start the same command again\n"
    assert ended.returncode == 128 + signal.SIGTERM


def test_a_signal_during_the_first_imports_of_a_job_ends_it_at_once() -> None:
    code = "import signal; from anomaly_lab.signals import leaving\nwith leaving(): signal.raise_signal(1)"
    ended = program(code)
    assert ended.communicate()[1] == "error: stopped before it began: start the same command again\n"
    assert ended.returncode == 128 + signal.SIGHUP


def test_a_signal_while_python_ends_changes_no_status() -> None:
    code = """if True:
        import os, sys
        from anomaly_lab.signals import at_once
        at_once("__main__")
        class Late:
            def __del__(self, kill=os.kill, process=os.getpid()):
                kill(process, 15)
        sys.late = Late()"""
    ended = program(code)
    assert (ended.communicate()[1], ended.returncode) == ("", 0)


def test_an_imported_command_leaves_the_handlers() -> None:
    before = [signal.getsignal(each) for each in ALL]
    at_once("anomaly_lab.train")
    assert [signal.getsignal(each) for each in ALL] == before


def test_what_does_not_stop_is_interrupted_again_and_then_ended() -> None:
    code = """if True:
        import os, time
        from anomaly_lab import signals
        from anomaly_lab.errors import ending_in_a_sentence
        signals.AGAIN, signals.LAST = 0.2, 0.5
        with ending_in_a_sentence("stopped: go on"):
            signals.threading.Timer(0.1, os.kill, (os.getpid(), 15)).start()
            for _ in range(3):
                try:
                    time.sleep(30)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)"""
    ended = program(code, stdout=subprocess.PIPE)
    out, err = ended.communicate(timeout=20)
    assert (out, err, ended.returncode) == ("interrupted\n" * 2, "error: stopped: go on\n", 128 + signal.SIGTERM)


def test_a_closed_pipe_is_no_error() -> None:
    """The program goes on to its end: what it writes is lost."""
    code = """if True:
        import sys
        from anomaly_lab.errors import ending_in_a_sentence
        with ending_in_a_sentence("stopped"):
            sys.stdin.read()
            print("nobody reads this", flush=True)
            print("nor this")
            raise KeyboardInterrupt"""
    ended = program(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.close()
    ended.stdout = None
    assert ended.communicate()[1] == "error: stopped\n"
    assert ended.returncode == INTERRUPTED


def test_a_closed_terminal_is_no_error() -> None:
    """The status is right, though neither the sentence nor anything else can be written."""
    code = """if True:
        import signal
        from anomaly_lab.errors import ending_in_a_sentence
        with ending_in_a_sentence("stopped"):
            print("ready", flush=True)
            signal.pause()"""
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, [sys.executable, "-c", code])
    assert os.read(terminal, 100).startswith(b"ready")
    time.sleep(0.2)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 128 + signal.SIGHUP
