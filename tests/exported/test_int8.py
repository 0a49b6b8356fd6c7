"""Convolutions in whole numbers: near the original, and nothing else is touched."""

import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.exported import int8
from anomaly_lab.exported.runtime import Exported
from exported.tiny import RECORD, pictures


def test_only_convolutions_are_quantised_and_the_result_is_near(onnx_export: Path, tmp_path: Path) -> None:
    import onnx

    file = Path(shutil.copy(onnx_export, tmp_path))
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path, image in zip(paths, pictures(4), strict=True):
        cv2.imwrite(str(path), image[..., ::-1])
    int8.quantize(file, paths)
    quantised, original = Exported(file), Exported(onnx_export)
    assert quantised.record == RECORD
    away = [np.abs(quantised(image).heatmap - original(image).heatmap).max() for image in pictures(4)]
    assert 0 < max(away) < 0.05
    before, after = (Counter(n.op_type for n in onnx.load(str(f)).graph.node) for f in (onnx_export, file))
    assert after["DequantizeLinear"] >= before["Conv"] > 0 and after["MatMul"] == before["MatMul"]


def test_at_most_so_many_images_set_the_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "IMAGES", 3)
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((2, 3), 10 * i, np.uint8))
    images = int8.Images(paths)
    assert [images.get_next()["images"].max() for _ in range(3)] == [0, 20, 40]  # type: ignore[index]
    assert images.get_next() is None


def test_without_normal_images_there_is_no_int8(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="precision=int8 is calibrated on the run's held-out normal images"):
        int8.quantize(tmp_path / "m.onnx", [])
