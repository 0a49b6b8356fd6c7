"""A decider says where its decisions come from; tests/test_export.py compares the two kinds."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Finished

from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.deciders import OfFile
from anomaly_lab.pipeline.of_run import OfRun


def test_a_run_names_itself_and_the_state_of_its_weights(finished: Finished) -> None:
    decider = OfRun(finished.directory)
    assert decider.source["run"] == str(finished.directory.resolve()) and len(decider.source["checkpoint"]) == 32
    assert decider.threshold > 0 and decider.min_area >= 1 and decider.levels


def test_a_file_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        OfFile(tmp_path / "m.onnx", None)


def test_an_exported_file_decides_without_lightning() -> None:
    """Whose import takes longer than the decisions about dozens of images."""
    code = "import sys, anomaly_lab.pipeline.predict; assert not {'lightning', 'scipy', 'hydra'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
