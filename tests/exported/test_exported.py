"""Files of a graph: what OpenVINO's float16 weights change, and an open size."""

import os
from pathlib import Path

import numpy as np
import pytest

from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.errors import UserError
from anomaly_lab.exported import onnx_file, openvino_file
from anomaly_lab.exported.program import program
from anomaly_lab.exported.runtime import Exported
from anomaly_lab.scored import look, preprocessing_of
from exported.tiny import RECORD, module_of, pictures


def test_half_weights_take_less_space_and_change_little(onnx_export: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    for name, half in (("full", False), ("half", True)):
        openvino_file.write(onnx_export, tmp_path / f"{name}.xml", RECORD, half)
    full, half = (tmp_path / f"{name}.bin" for name in ("full", "half"))
    assert os.path.getsize(half) < 0.7 * os.path.getsize(full)
    image = pictures(1)[0]
    away = np.abs(Exported(half.with_suffix(".xml"))(image).heatmap - Exported(full.with_suffix(".xml"))(image).heatmap).max()
    assert 0 < away < 1e-2


def test_a_graph_of_open_size_decides_as_the_run_at_each_size(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    module = module_of(preprocessing={"scale": 1.0, "contrast": "category", "mean": 0.5, "std": 0.18})
    file = tmp_path / "open.onnx"
    onnx_file.write(program(module, None, "fp32"), file, RECORD | {"height": 0, "width": 0, "tile": 16})
    exported = Exported(file)
    for size in ((64, 64), (96, 160)):
        image = pictures(1, size)[0]
        X, stored, *_ = prepared(image, preprocessing_of(module))
        expected, found = look(module, X, stored), exported(image)
        np.testing.assert_allclose(found.heatmap, expected.heatmap, atol=2e-5)
        assert found.score == pytest.approx(expected.score, abs=2e-5)
    with pytest.raises(UserError, match="takes images whose sides are multiples of 32 from 64 to 4064 pixels of uint8"):
        exported(pictures(1, (72, 64))[0])
