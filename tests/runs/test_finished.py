"""The files of a run that is there already."""

from pathlib import Path

import pytest
from conftest import Finished, metrics_of

from anomaly_lab.errors import UserError
from anomaly_lab.runs.finished import best_checkpoint, finished_metrics, held_out_levels, require_run


def test_a_finished_run_has_its_files(finished: Finished) -> None:
    assert require_run(str(finished.directory)) == finished.directory
    assert best_checkpoint(finished.directory).is_file()
    assert finished_metrics(finished.directory) == metrics_of(finished.directory)
    levels = held_out_levels(finished.directory)
    assert levels and all(row["split"] == "validation" and row["path"].startswith("train/good/") for row in levels)


def test_what_is_missing_is_named(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run: give run=DIRECTORY"):
        require_run(None)
    with pytest.raises(UserError, match=r"holds several, run=.* is one"):
        require_run(str(finished.directory.parent))
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UserError, match=r"has no checkpoints/best.ckpt: .*resume="):
        require_run(str(tmp_path))
    assert finished_metrics(tmp_path) is None and held_out_levels(tmp_path) == []
