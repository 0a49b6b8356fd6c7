"""What an evaluation may change of a run, and where it may write. The whole command: tests/test_evaluate.py."""

from pathlib import Path

import pytest

from anomaly_lab.errors import Refused, UserError
from anomaly_lab.runs.changes import changes, evaluation_name, require_new, told


def test_changed_keys_are_those_of_the_run() -> None:
    overrides = ["run=x", "out=y", "scoring.sigma=2", "+metrics=mine", "calibration=conformal", "calibration.alpha=0.1"]
    keys = ["scoring.sigma", "metrics", "calibration", "calibration.alpha"]
    assert changes(overrides) == dict(zip(keys, overrides[2:], strict=True))


def test_a_protocol_stands_for_its_keys_and_single_keys_come_after() -> None:
    found = changes(["run=x", "scoring=paper", "scoring.sigma=2"])
    assert set(found) == {
        "scoring.evidence",
        "scoring.sigma",
        "scoring.tile",
        "scoring.pooling",
        "scoring.weights",
        "calibration",
    }
    assert found["scoring.sigma"] == "scoring.sigma=2" and found["calibration"] == "scoring=paper"
    assert told(found) == ["scoring=paper", "scoring.sigma=2"]


@pytest.mark.parametrize("override", ["objective.lam=0.3", "+objective.lam=0.3", "seed=1", "data.train_size=64"])
def test_what_lies_in_the_weights_cannot_be_changed(override: str) -> None:
    with pytest.raises(UserError, match="belongs to the training, and the weights depend on it"):
        changes([override])


def test_an_evaluation_writes_over_no_run(tmp_path: Path) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    require_new(new, run, {})
    with pytest.raises(Refused, match="lies in the run itself"):
        require_new(run / "inside", run, {})
    new.mkdir()
    (new / "config.yaml").touch()
    with pytest.raises(Refused, match="holds a run already"):
        require_new(new, run, {})


def test_a_name_says_what_was_changed_in_which_run() -> None:
    name = evaluation_name("runs/2026-11-22_07-24-22-188227_category=carpet", "scoring.sigma=2")
    assert name == "evaluate_scoring.sigma=2_category=carpet"
