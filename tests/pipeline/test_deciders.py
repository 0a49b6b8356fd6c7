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


def test_an_exported_file_decides_without_lightning() -> None:
    """Whose import takes longer than the decisions about dozens of images."""
    code = "import sys, anomaly_lab.pipeline.predict; assert not {'lightning', 'scipy', 'hydra'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
