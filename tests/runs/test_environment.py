"""environment.json: where a run's numbers come from."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anomaly_lab.runs import environment


def test_the_environment_of_each_resume_is_kept(tmp_path: Path) -> None:
    prints = {"config": "a", "code": "b", "data": "c"}
    environment.write_environment(tmp_path, {}, resuming=False)
    environment.write_environment(tmp_path, prints, resuming=False)
    first = json.loads((tmp_path / "environment.json").read_text())
    assert first["fingerprint"] == prints
    environment.write_environment(tmp_path, prints, resuming=True)
    environment.write_environment(tmp_path, prints, resuming=True)
    record = json.loads((tmp_path / "environment.json").read_text())
    assert {k: v for k, v in record.items() if k != "resumed"} == first
    assert [entry["command"] for entry in record["resumed"]] == [first["command"]] * 2


def test_the_environment_names_the_commit_of_a_checkout(tmp_path: Path) -> None:
    record = environment.environment()
    json.dumps(record)
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        assert record["git"] is None
        return
    head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert record["git"]["commit"] == head
    assert re.fullmatch(r"[0-9a-f]{40}", head)


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_outside_a_checkout_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", missing)
    assert environment.environment()["git"] is None


def test_versions_are_those_installed() -> None:
    import numpy

    assert environment.version_of("numpy") == numpy.__version__
    assert environment.version_of("no-such-package") is None
