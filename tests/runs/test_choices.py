"""Choices by name: a YAML in conf/, or in a folder that --config-dir adds."""

from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.runs import choices
from anomaly_lab.runs.command_line import CONF


def test_a_name_is_the_record_in_its_file() -> None:
    record = choices.record("scoring.pooling", "mean_top")
    assert record == {"name": "mean_top", "_target_": "anomaly_lab.scoring.poolings.mean_top", "share": 0.001}
    assert choices.record("scoring.pooling", record) is record, "a record is one already"


def test_another_folder_adds_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scoring/evidence").mkdir(parents=True)
    (tmp_path / "scoring/evidence/cubed.yaml").write_text("_target_: mine.cubed\n")
    monkeypatch.setattr(choices, "folders", lambda: [CONF, tmp_path])
    assert choices.names("scoring.evidence") == [
        "absolute", "cubed", "features", "filters", "head", "mahalanobis", "msgms", "signed", "squared", "ssim",
    ]  # fmt: skip
    assert choices.record("scoring.evidence", "cubed") == {"name": "cubed", "_target_": "mine.cubed"}


def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    known = "absolute, features, filters, head, mahalanobis, msgms, signed, squared, ssim"
    with pytest.raises(UserError, match=rf"scoring\.evidence is cubic: it must be one of {known}"):
        choices.record("scoring.evidence", "cubic")
