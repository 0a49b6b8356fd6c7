"""What an evaluation may change of a run, and where it may write. The whole command: tests/test_evaluate.py."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from anomaly_lab.errors import Refused, UserError
from anomaly_lab.runs.changes import changes, evaluation_name, overlaid, require_new, told
from anomaly_lab.runs.command_line import CONF


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


def overlaid_with(tmp_path: Path, *overrides: str, **stored: Any) -> Any:
    """The configuration of an evaluation of a run on plain folders; `stored`: other values of its data."""
    places = {"normal": f"{tmp_path}/good", "defects": f"{tmp_path}/bad", "masks": None} | stored
    reader = {"_target_": "anomaly_lab.data.plain.folders", **places}
    run = OmegaConf.create({"data": {"name": "folders", "root": str(tmp_path), "reader": reader, **places}, "logger": None})
    with initialize_config_dir(str(CONF), version_base="1.3"):
        given = compose("evaluate", overrides=["run=x", *overrides])
    return overlaid(run, given, changes(overrides)).data


def test_the_places_of_plain_folders_can_be_changed(tmp_path: Path) -> None:
    data = overlaid_with(tmp_path, "data.defects=/new/bad", "data.masks=masks")
    expected = {"normal": f"{tmp_path}/good", "defects": "/new/bad", "masks": "masks"}
    assert {key: data[key] for key in expected} == {key: data.reader[key] for key in expected} == expected
    new = overlaid_with(tmp_path, "data=folders", "data.normal=/new/good")
    assert (new.reader.normal, new.reader.defects, new.reader.test_share) == ("/new/good", None, 0.2)
    assert overlaid_with(tmp_path, "data=folder", "data.root=/new").reader == {"_target_": "anomaly_lab.data.folder.scan"}


def test_a_root_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.root=/new changes nothing, .* has data.normal=\S+, data.defects=\S+: give"):
        overlaid_with(tmp_path, "data.root=/new")
    assert overlaid_with(tmp_path, "data.root=/new", normal="good").root == "/new"
    assert overlaid_with(tmp_path, "data.root=/new", "data.normal=/new/good").reader.normal == "/new/good"


def test_places_are_for_plain_folders(tmp_path: Path) -> None:
    run = OmegaConf.create({"data": {"name": "mvtec", "root": "/x", "reader": {"_target_": "anomaly_lab.data.folder.scan"}}})
    with initialize_config_dir(str(CONF), version_base="1.3"):
        given = compose("evaluate", overrides=["run=x", "data.normal=/new"])
    with pytest.raises(UserError, match=r"data\.normal is for data=folders, and the run has data=mvtec: add"):
        overlaid(run, given, ["data.normal"])


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
