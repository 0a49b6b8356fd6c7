"""source.json of an evaluation, and data that it refuses. The whole command: tests/test_evaluate.py."""

import hashlib
from pathlib import Path

import pytest
from conftest import Finished, write_category

from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import scoring_data
from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.evaluate import record, require_normal_images


def test_the_record_names_the_weights(finished: Finished) -> None:
    found = record(finished.directory, ["scoring.sigma=2"])
    weights = (finished.directory / "checkpoints/best.ckpt").read_bytes()
    assert found == {
        "run": str(finished.directory),
        "finished": True,
        "checkpoint_sha256": hashlib.sha256(weights).hexdigest(),
        "changed": ["scoring.sigma=2"],
    }


def test_a_new_threshold_needs_normal_images(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes", train=0, good=0, defects=("new",), masks=False)
    data = scoring_data({"_target_": "anomaly_lab.data.folder.scan"}, str(tmp_path), "stripes", Preprocessing(), 0.3, 0)
    with pytest.raises(UserError, match="holds no two normal images"):
        require_normal_images(data, tmp_path)
