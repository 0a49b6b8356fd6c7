"""The benchmarks run on tiny networks. No test depends on the speed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "experiments" / "benchmarks"
PARTS = ["training", "inference", "loop", "samples", "profile", "growth"]  # the others start many processes


def test_the_short_form_measures_and_writes_its_table(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "bench.py"), "--short", "--out", str(tmp_path), "--only", *PARTS]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    text = (tmp_path / "table.md").read_text()
    assert text.strip() in printed
    assert "--short" in text, "the table says that it is no measurement"
    record = json.loads((tmp_path / "table.json").read_text())
    assert {"processor", "threads", "torch", "git", "minutes"} <= set(record)
    assert len(record["rows"]) == 8
    for row in record["rows"]:
        assert math.isfinite(row["value"]) and row["value"] >= 0
        assert row["what"] in text
        if row["target"] is not None:
            assert row["met"] == (row["value"] <= row["target"] if row["at_most"] else row["value"] >= row["target"])
    assert sum(seconds for _, seconds in record["profile"]) > 0
    assert {kind for kind, _ in record["profile"]} >= {"optimiser", "normalisation", "dilated 5×5, forward", "last layer, 1×1"}
    assert record["growth"][0][2]


def test_the_exponent_is_that_of_a_power_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from measure import exponent

    assert exponent([1, 2, 8], [3, 12, 192]) == pytest.approx(2)
