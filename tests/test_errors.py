"""Errors that a user can mend end the program with one sentence."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf.errors import ConfigAttributeError
from yaml.scanner import ScannerError

from anomaly_lab.errors import InUse, Refused, UserError, as_sentence, ending_in_a_sentence, in_words, unwritable


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "/a/b could not be written (No space left on device): free some space or choose another directory"),
        (errno.EDQUOT, "/a/b could not be written (Disk quota exceeded): free some space or choose another directory"),
        (errno.EROFS, "/a/b could not be written (Read-only file system): choose a directory on another file system"),
        (errno.EACCES, "/a/b can't be read or written (Permission denied): change its permissions or choose another directory"),
        (
            errno.EPERM,
            "/a/b can't be read or written (Operation not permitted): change its permissions or choose another directory",
        ),
    ],
)
def test_what_the_system_refuses_becomes_a_sentence_with_a_remedy(number: int, expected: str) -> None:
    assert as_sentence(OSError(number, os.strerror(number), "/a/b")) == expected
    assert str(as_sentence(OSError(number, os.strerror(number)))).startswith("a file c")


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "x"), OSError("?"), ValueError("a worker (pid 3) exited"), KeyError("a")]
)
def test_any_other_error_may_be_a_bug(error: Exception) -> None:
    """It is one sentence too, which says how to see where it arose."""
    assert as_sentence(error) is None
    assert in_words(error) == f"{type(error).__name__}: {error} (a wrong option, or a bug: ANOMALY_LAB_DEBUG=1 shows where)"


def test_an_unwritable_folder_names_the_option(tmp_path: Path) -> None:
    error = unwritable(tmp_path, OSError(errno.ENOTDIR, "Not a directory"), "out=")
    assert str(error) == f"{tmp_path} cannot be written to (Not a directory): choose another directory with out="


@pytest.mark.parametrize("error", [UserError("the lamp is off: switch it on"), Refused("no"), InUse("later")])
def test_a_mistake_ends_the_program_with_its_sentence(error: UserError, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, ending_in_a_sentence():
        raise error
    assert end.value.code == 1
    assert capsys.readouterr().err == f"error: {error}\n"


def test_ctrl_c_ends_the_program_with_a_sentence_if_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), ending_in_a_sentence():
        raise KeyboardInterrupt
    with pytest.raises(SystemExit) as end, ending_in_a_sentence("stopped: go on"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "error: stopped: go on\n"


def test_what_the_system_refuses_ends_the_program_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), ending_in_a_sentence():
        raise PermissionError(errno.EACCES, "Permission denied", "/a/b")
    assert capsys.readouterr().err.startswith("error: /a/b can't be read or written (Permission denied): ")


IN_WORKER = 'Caught it in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File "a.py"\n{}\n'


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(errno.EIO, "Input/output error", "/a/b"),
            r"/a/b can't be read or written \(Input/output error\): check the disk",
        ),
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected", "/a/b"), "check the disk or the network behind it"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a/b"), "/a/b can't be read .*: check the path"),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "/a/b"), "/a/b can't be read .*: check the path"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open: raise the limit with ulimit -n"),
        (RuntimeError("unable to mmap 8 bytes from file </torch_1_2>: Cannot allocate"), "data.num_workers=0.*--shm-size"),
        (RuntimeError("DataLoader worker (pid 17) is killed by signal: Bus error"), "data.num_workers=0.*--shm-size"),
        (RuntimeError("DataLoader worker (pid(s) 17) exited unexpectedly"), "data.num_workers=0.*--shm-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "too little memory: use smaller .* batch_size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "too little memory: use smaller .* batch_size"),
        (
            RuntimeError(IN_WORKER.format("OSError: [Errno 28] No space left on device")),
            r"--shm-size=1g \(OSError: \[Errno 28\]",
        ),
        (UserError(IN_WORKER.format("anomaly_lab.errors.UserError: a.png is empty: copy it")), "^a.png is empty: copy it$"),
        (ValueError(IN_WORKER.format("ValueError: a")), "^ValueError: ValueError: a "),
        (MemoryError(), "too little memory: use smaller"),
        (RuntimeError("can't start new thread"), "smaller data.num_workers"),
        (RuntimeError("Could not determine home directory."), "no such home directory: write the whole path"),
        (RuntimeError("Symlink loop from '/a'"), "a link leads in a circle"),
        (ConfigCompositionException("Could not override 'a'.\nTo append use +a=1"), "Could not override 'a'. To append use"),
        (ConfigAttributeError("Key 'a' is not in struct\n    full_key: b.a"), "configuration .* Key 'a' .* full_key: b.a"),
        (
            ScannerError("while scanning", None, "could not find ':'"),
            "the configuration can't be used: while scanning could not",
        ),
        (UserError("gr\udcf6\udcdfe.png is odd"), r"gr\\udcf6\\udcdfe.png is odd"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_machine_or_hydra_refuses_is_one_line_with_a_remedy(error: Exception, says: str) -> None:
    said = in_words(error)
    assert re.search(says, said), said
    assert "\n" not in said and "Traceback" not in said and said.encode()
    assert isinstance(error, ValueError) or "bug" not in said


def test_the_choices_that_hydra_knows_stay_on_lines_of_their_own() -> None:
    error = MissingConfigException("Could not find 'a/x'\n\nAvailable options in 'a':\n\tb\n\tc", "a/x")
    assert in_words(error).endswith(":\n\tb\n\tc")


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False), (None, False)])
def test_a_variable_shows_developers_the_stack_trace(
    value: str | None, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANOMALY_LAB_DEBUG", raising=False)
    if value is not None:
        monkeypatch.setenv("ANOMALY_LAB_DEBUG", value)
    for error in (UserError("no"), ZeroDivisionError("by zero"), KeyboardInterrupt()):
        with pytest.raises(SystemExit), ending_in_a_sentence("stopped"):
            raise error
        said = capsys.readouterr().err
        assert ("Traceback" in said and type(error).__name__ in said) is shown
        assert said.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("command", ["train", "evaluate", "search", "report"])
def test_a_screen_that_lacks_characters_ends_no_command(command: str) -> None:
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    line = [sys.executable, "-m", f"anomaly_lab.{command}", "--help"]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert command != "search" or r"Search \u03bb" in ended.stdout
