"""Exported files in their runtimes: equal to the run, and refused in a sentence where they are not ours."""

import builtins
import json
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.scoring_data import prepared
from anomaly_lab.errors import UserError
from anomaly_lab.exported import digests
from anomaly_lab.exported.runtime import Exported, opened
from anomaly_lab.module import AnomalyModule
from anomaly_lab.scored import look, preprocessing_of
from exported.tiny import RECORD, SIZE, pictures


@pytest.fixture(scope="session")
def files(tiny: AnomalyModule, onnx_export: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each format."""
    pytest.importorskip("openvino")
    from anomaly_lab.exported import openvino_file, torch_file
    from anomaly_lab.exported.program import program

    folder = tmp_path_factory.mktemp("files")
    openvino_file.write(onnx_export, folder / "tiny.xml", RECORD, half=False)
    torch_file.write(program(tiny, SIZE, "fp32"), folder / "tiny.pt2", RECORD)
    return {"onnx": onnx_export, "openvino": folder / "tiny.xml", "torch": folder / "tiny.pt2"}


@pytest.mark.parametrize(
    ("runtime", "file"), [("onnx", "onnx"), ("openvino", "openvino"), ("openvino", "onnx"), ("torch", "torch")]
)
def test_each_runtime_decides_as_the_run(runtime: str, file: str, files: dict[str, Path], tiny: AnomalyModule) -> None:
    exported = Exported(files[file], runtime)
    assert exported.record == RECORD
    decisions = []
    for image in pictures(6):
        X, size, *_ = prepared(image, preprocessing_of(tiny))
        expected, found = look(tiny, X, size), exported(image)
        np.testing.assert_allclose(found.heatmap, expected.heatmap, atol=2e-5)
        assert found.score == pytest.approx(expected.score, abs=2e-5)
        assert np.array_equal(found.mask, detect(found.heatmap, float(tiny.threshold), 12))
        assert found.defective == bool(found.mask.any())
        decisions.append(found.defective)
    assert len(set(decisions)) == 2, "the threshold splits these images"


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_several_threads_decide_side_by_side(runtime: str, files: dict[str, Path]) -> None:
    images, exported = pictures(6) * 4, Exported(files[runtime], parallel=3)
    alone = [Exported(files[runtime])(image).heatmap for image in images]
    with ThreadPoolExecutor(3, initializer=exported.begin) as pool:
        for found, expected in zip(pool.map(exported, images), alone, strict=True):
            np.testing.assert_allclose(found.heatmap, expected, atol=1e-6)


def test_openvino_makes_its_first_call_alone(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that make it side by side can wait for each other for ever, in a new process."""
    openvino = pytest.importorskip("openvino")
    infer, lock, image = openvino.InferRequest.infer, threading.Lock(), pictures(1)[0]
    under_way, ended, beside = [0], [0], dict[int, int]()  # calls that had ended when one began → the most under way then

    def slow(*given: Any) -> Any:
        with lock:
            under_way[0] += 1
            beside[ended[0]] = max(beside.get(ended[0], 0), under_way[0])
        time.sleep(0.1)
        found = infer(*given)
        with lock:
            under_way[0], ended[0] = under_way[0] - 1, ended[0] + 1
        return found

    exported = Exported(files["openvino"], parallel=4)
    monkeypatch.setattr(openvino.InferRequest, "infer", slow)
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(exported, [image] * 12))) == 12
    assert beside[0] == 1 < max(beside.values()), "the first one alone, later ones side by side"


def test_the_graph_takes_any_number_of_images(onnx_export: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(onnx_export))
    images = pictures(3)
    whole = session.run(None, {"images": images})
    for i in range(3):
        for many, one in zip(whole, session.run(None, {"images": images[i : i + 1]}), strict=True):
            np.testing.assert_allclose(many[i], one[0], atol=1e-6)
    assert session.get_inputs()[0].shape == ["batch", *SIZE, 3]


def test_openvino_computes_once_for_all_outputs(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino")
    exported, computed, infer = Exported(files["openvino"]), [], openvino.InferRequest.infer

    def counted(*given: Any, **named: Any) -> Any:
        computed.append(1)
        return infer(*given, **named)

    monkeypatch.setattr(openvino.InferRequest, "infer", counted)
    exported(pictures(1)[0])
    assert len(computed) == 1


def test_a_grey_image_counts_as_one_of_three_equal_channels(onnx_export: Path) -> None:
    exported, grey = Exported(onnx_export), pictures(1)[0][..., :1]
    assert np.array_equal(exported(grey).heatmap, exported(np.repeat(grey, 3, 2)).heatmap)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (
            np.zeros((40, 48, 3), np.uint8),
            r"the image has 40 x 48 pixels .* of uint8, but tiny.onnx takes images of 48 x 40 pixels",
        ),
        (np.zeros((48, 40, 3), np.uint16), r"48 x 40 pixels .* of uint16"),
    ],
)
def test_an_image_of_another_kind_is_refused(pixels: Any, said: str, onnx_export: Path) -> None:
    with pytest.raises(UserError, match=said):
        Exported(onnx_export)(pixels)


def test_no_path_of_this_machine_stands_in_the_file(onnx_export: Path) -> None:
    assert b".py" not in onnx_export.read_bytes()


@pytest.mark.parametrize("name", ["model.onnx", "model.xml", "model.pt2"])
@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 40])
def test_what_is_no_model_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(UserError, match=f"{name} is no model, or damaged"):
        opened(tmp_path / name)


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_a_file_cut_off_or_changed_is_refused(runtime: str, files: dict[str, Path], tmp_path: Path) -> None:
    for part in digests.parts(files[runtime]):
        shutil.copy(part, tmp_path)
    file = tmp_path / files[runtime].name
    digests.report_of(file).write_text(json.dumps({"digest": digests.of(file)}))
    assert opened(file).record == RECORD
    part = digests.parts(file)[-1]
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="was changed since its export"):
        opened(file)
    digests.report_of(file).unlink()
    if runtime != "openvino":  # its reader takes weights that are too short for zeros: only the digest tells
        with pytest.raises(UserError, match="is no model, or damaged"):
            opened(file)


@pytest.mark.parametrize(
    ("given", "runtime", "said"),
    [
        ("none.onnx", None, "none.onnx: there is no such file"),
        ("none.pth", None, "has no suffix of runtime onnx, openvino or torch"),
        ("none.xml", "onnx", "has no suffix of runtime onnx"),
    ],
)
def test_another_file_is_named(given: str, runtime: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        opened(Path(given), runtime)


def test_a_missing_package_is_named_with_its_remedy(onnx_export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert builtins.__import__ is real
    with pytest.raises(UserError, match=r"onnxruntime is not installed: pip install 'anomaly_lab\[export\]'"):
        Exported(onnx_export)


def test_onnx_runs_without_torch(onnx_export: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "image.png"), pictures(1)[0])
    code = (
        "import sys, cv2; from pathlib import Path; from anomaly_lab.exported.runtime import Exported;"
        f"print(Exported(Path({str(onnx_export)!r}))(cv2.imread({str(tmp_path / 'image.png')!r})).defective);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
