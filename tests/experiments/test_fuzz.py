"""Foreign bytes: a small share of the fuzzing, and the table of the whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROBUSTNESS

pytest.importorskip("tifffile", reason="scikit-image, of the extra `dev`, brings it")

import fuzz
from targets import KINDS

from anomaly_lab.errors import UserError


def test_a_share_of_the_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """About 200 inputs."""
    command = [sys.executable, str(ROBUSTNESS / "fuzz.py"), "--share", "0.08", "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = [int(count) for count in re.findall(r": (\d+) inputs, 0 failures", ended.stdout)]
    assert len(counts) == len(KINDS) and sum(counts) >= 150


def test_the_table_has_two_thousand_inputs_and_no_failure() -> None:
    text = (ROBUSTNESS / "fuzz.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| \d+ \| (-?\d+) \|$", text, re.MULTILINE)
    assert [row[0] for row in rows] == [kind.name for kind in KINDS]
    assert sum(int(row[1]) for row in rows) >= 2000
    for _, inputs, accepted, refused, failures, memory in rows:
        assert int(failures) == 0 and int(accepted) + int(refused) == int(inputs) and int(memory) < 2048
    assert sum(int(row[2]) for row in rows) > 200 and sum(int(row[3]) for row in rows) > 200, "both ends are reached"


def test_only_a_sentence_is_no_failure() -> None:
    def fail(error: Exception) -> None:
        raise error

    for error, failed in ((UserError("x is 1: give 2"), False), (UserError("one\ntwo"), False), (KeyError("x"), True)):
        outcome = fuzz.Outcome("kind")
        assert bool(fuzz.attempt(outcome, "it", lambda error=error: fail(error))) == failed
        assert (outcome.inputs, outcome.refused, len(outcome.failures)) == (1, int(not failed), int(failed))


def test_an_input_that_takes_too_long_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import signal
    import time

    monkeypatch.setattr(fuzz, "LIMIT", 0.05)
    before = signal.signal(signal.SIGALRM, fuzz.late)
    try:
        assert fuzz.attempt(fuzz.Outcome("kind"), "it", lambda: time.sleep(5)) == "0.05 seconds"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_end_of_a_process_is_a_failure(tmp_path: Path) -> None:
    import os

    kind = fuzz.Kind("dies", 3, lambda folder, count, seed, one: one("it", lambda: os._exit(9)))
    (outcome,) = fuzz.fuzz([kind], tmp_path, 1, 0)
    assert outcome.failures == ["it: the process ended with 9"]
