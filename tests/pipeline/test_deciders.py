"""A decider of an exported file; tests/test_export.py compares it with the run's."""

import subprocess
import sys
from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.pipeline.deciders import OfFile


def test_a_file_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        OfFile(tmp_path / "m.onnx", None)


@pytest.mark.parametrize("module", ["pipeline.predict", "pipeline.of_run", "detector"])
def test_decisions_begin_without_what_only_a_training_needs(module: str) -> None:
    """Their import takes longer than the decisions about dozens of images."""
    slow = {"lightning", "albumentations", "scipy", "torchmetrics", "matplotlib"}
    code = f"import sys, anomaly_lab.{module}; assert not {slow} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
