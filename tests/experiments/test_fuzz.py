"""Foreign bytes: a small share of the fuzzing, and the table of the whole."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Finished

from experiments import ROBUSTNESS

pytest.importorskip("tifffile", reason="scikit-image, of the extra `dev`, brings it")

import fuzz
from targets import KINDS, Kind

from anomaly_lab.errors import UserError


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """The signal that ends an input which takes too long."""
    before = signal.signal(signal.SIGPROF, fuzz.late)
    yield
    signal.signal(signal.SIGPROF, before)


SHARES = {"images and masks": 100, "names of files and folders": 12, "command line": 6}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_few_inputs_of_each_kind_are_accepted_or_refused(kind: Kind, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(finished.directory)
    (tmp_path / "own").mkdir()
    outcome = fuzz.Outcome(kind.name)
    kind.run(tmp_path / "own", SHARES.get(kind.name, 8), 1, lambda shown, use: fuzz.attempt(outcome, shown, use))
    assert outcome.inputs >= 6 and not outcome.failures


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
    def endless() -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz, "LIMIT", 0.05)
    assert fuzz.attempt(fuzz.Outcome("kind"), "it", endless) == "0.05 seconds"


def test_the_end_of_a_process_is_a_failure(tmp_path: Path) -> None:
    kind = fuzz.Kind("dies", 3, lambda folder, count, seed, one: one("it", lambda: os._exit(9)))
    (outcome,) = fuzz.fuzz([kind], tmp_path, 1, 0)
    assert outcome.failures == ["it: the process ended with 9"]
