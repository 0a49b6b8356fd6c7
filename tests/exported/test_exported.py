"""Files of a graph: what OpenVINO's float16 weights change, and an open size."""

import os
from pathlib import Path

import numpy as np
import pytest
from data.bolts import bolt

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


def test_an_aligning_graph_decides_as_the_run_in_each_runtime(tmp_path: Path) -> None:
    """Long parts in three directions, and an image without any."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    module = module_of(preprocessing={"scale": 0.5, "contrast": "category", "mean": 0.7, "std": 0.2, "align": True})
    images = [*(bolt(angle, (60, 66), seed=angle) for angle in (20, 110, 250)), pictures(1, (128, 128))[0]]
    file = tmp_path / "aligning.onnx"
    onnx_file.write(program(module, (128, 128), "fp32"), file, RECORD | {"height": 128, "width": 128, "tile": 16})
    openvino_file.write(file, tmp_path / "aligning.xml", RECORD | {"height": 128, "width": 128}, half=False)
    for exported in (Exported(file), Exported(tmp_path / "aligning.xml")):
        for image in images:
            X, size, _, way = prepared(image, preprocessing_of(module))
            expected, found = look(module, X, size, way=way), exported(image)
            # a value between two grey levels may be rounded to the other one
            assert np.quantile(np.abs(found.heatmap - expected.heatmap), 0.99) < 1e-4
            assert found.score == pytest.approx(expected.score, rel=2e-2)
