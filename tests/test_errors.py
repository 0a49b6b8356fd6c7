"""Errors that a user can mend end the program with one sentence."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anomaly_lab.errors import InUse, Refused, UserError, as_sentence, ending_in_a_sentence, unwritable


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


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error", "x"), FileNotFoundError(2, "x"), OSError("?")])
def test_any_other_error_of_the_system_is_a_bug(error: OSError) -> None:
    assert as_sentence(error) is None


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
    with pytest.raises(OSError, match="Input/output error"), ending_in_a_sentence():
        raise OSError(errno.EIO, "Input/output error")


def test_a_bug_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), ending_in_a_sentence("stopped"):
        raise ZeroDivisionError


@pytest.mark.parametrize("command", ["train", "evaluate", "search", "report"])
def test_a_screen_that_lacks_characters_ends_no_command(command: str) -> None:
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    line = [sys.executable, "-m", f"anomaly_lab.{command}", "--help"]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert command != "search" or r"Search \u03bb" in ended.stdout
