"""Exports of tiny modules: each takes seconds, so that tests share them."""

from pathlib import Path

import pytest

from anomaly_lab.module import AnomalyModule
from exported.tiny import RECORD, SIZE, module_of


@pytest.fixture(scope="session")
def tiny() -> AnomalyModule:
    return module_of()


@pytest.fixture(scope="session")
def onnx_export(tiny: AnomalyModule, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of `tiny`."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from anomaly_lab.exported import onnx_file
    from anomaly_lab.exported.program import program

    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    onnx_file.write(program(tiny, SIZE, "fp32"), path, RECORD)
    return path
