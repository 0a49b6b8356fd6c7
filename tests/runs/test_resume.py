"""What a run's directory holds before a run starts there."""

import logging
from pathlib import Path

import pytest

from anomaly_lab import files
from anomaly_lab.errors import Refused
from anomaly_lab.runs import resume


def test_resume_with_other_images_is_refused_and_with_other_code_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prints = {"config": "a", "code": "b", "data": "c"}
    files.write_json(tmp_path / "environment.json", {"fingerprint": prints})
    with caplog.at_level(logging.WARNING):
        resume.require_same_data(tmp_path, prints)
        assert not caplog.text
        resume.require_same_data(tmp_path, prints | {"code": "x"})
    assert "other code" in caplog.text
    with pytest.raises(Refused, match="began with other images"):
        resume.require_same_data(tmp_path, prints | {"data": "x"})
