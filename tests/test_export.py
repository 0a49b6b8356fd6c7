"""The command export: its file decides as the run, or there is no file; and predict takes it."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Ended, Finished, in_process, other_threshold, scores_of, sentence
from shown_commands import ROOT, shown

from anomaly_lab import export, predict
from anomaly_lab.pipeline import export as way


def run_export(folder: Path, *options: str) -> Ended:
    return in_process(folder, export.main, "export", *options)


@pytest.fixture(scope="session")
def exported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The ONNX file of the finished run, and what the command printed."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("exported")
    ended = run_export(folder, f"run={finished.directory}", "format=onnx", "out=files/stripes.onnx")
    assert ended.status == 0, ended.err
    assert [path.name for path in sorted((folder / "files").iterdir())] == ["stripes.onnx", "stripes.onnx.json"]
    return folder / "files/stripes.onnx", ended.out


@pytest.fixture
def ready(exported: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there already: to make it again takes seconds."""
    monkeypatch.setattr(way, "_write", lambda trained, options, known, file, calibration: shutil.copy(exported[0], file))


def test_the_report_says_how_well_it_agrees(exported: tuple[Path, str], finished: Finished) -> None:
    file, said = exported
    report = json.loads(file.with_name("stripes.onnx.json").read_text())
    compared = report["as_the_run_decides"]
    assert report["accepted"] and compared["images"] == 9 and compared["disagreeing"] == []
    assert 0 < compared["heatmap"] < 10 / 2**8, "values of the heatmap reach 10, and the run computes in bf16"
    assert compared["aupro"] == pytest.approx(compared["aupro_run"], abs=1e-3)
    assert report["record"]["threshold"] > 0 and report["record"]["height"] == 64 and len(report["record"]["checkpoint"]) == 64
    assert "takes images of 64 x 64 pixels" in said and "0 of 9 images are decided differently" in said


@pytest.mark.parametrize("runtime", [[], ["runtime=openvino"]])
def test_predict_gives_the_rows_of_the_run(
    exported: tuple[Path, str], finished: Finished, tmp_path: Path, runtime: list[str]
) -> None:
    if runtime:
        pytest.importorskip("openvino")
    images, rows = f"images={finished.root / 'stripes/test'}", []
    for name, options in (("run", [f"run={finished.directory}"]), ("file", [f"model={exported[0]}", *runtime])):
        ended = in_process(tmp_path, predict.main, "predict", *options, images, f"out={name}", "save=masks")
        assert ended.status == 0, ended.err
        rows.append([json.loads(line) for line in (tmp_path / name / "predictions.jsonl").read_text().splitlines()])
    assert len(rows[0]) == len(rows[1]) == 7
    for own, other in zip(*rows, strict=True):
        for column in ("path", "defective", "height", "width", "unlike", "error", "p_value"):
            assert own[column] == other[column]
        for column in ("score", "level", "margin"):
            assert own[column] == pytest.approx(other[column], rel=1e-4, abs=1e-4)
        assert [d["box"] for d in own["defects"]] == [d["box"] for d in other["defects"]]
    masks = [sorted((tmp_path / name / "masks").iterdir()) for name in ("run", "file")]
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(*masks, strict=True)].count(False) <= 1
    said = sentence(in_process(tmp_path, predict.main, "predict", f"run={finished.directory}", images, "out=file"))
    assert "file holds predictions with another run (None)" in said


def test_an_image_that_the_file_does_not_take_has_a_row_with_the_reason(
    exported: tuple[Path, str], tmp_path: Path, finished: Finished
) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((32, 64), np.uint8))
    ended = in_process(tmp_path, predict.main, "predict", f"model={exported[0]}", "images=small.png", "out=out")
    assert ended.status == 0 and "1 that could not be read" in ended.out
    with (tmp_path / "out/predictions.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert "32 x 64 pixels" in row["error"] and "takes images of 64 x 64" in row["error"]


def test_a_disagreement_leaves_no_file(ready: None, finished: Finished, tmp_path: Path) -> None:
    other_threshold(finished.directory, tmp_path / "run", 1e6)
    said = sentence(run_export(tmp_path, "run=run", "format=onnx", "out=m.onnx"))
    count = int(re.findall(r"(\d+) of 9 images are decided differently", said)[0])
    assert count > 0 and f"tolerate={count} accepts as many" in said and "m.onnx.json names them" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx.json", "run"]
    report = json.loads((tmp_path / "m.onnx.json").read_text())
    assert not report["accepted"] and len(report["as_the_run_decides"]["disagreeing"]) == count
    ended = run_export(tmp_path, "run=run", "format=onnx", "out=m.onnx", f"tolerate={count}")
    assert ended.status == 0 and (tmp_path / "m.onnx").is_file()
    said = sentence(run_export(tmp_path, "run=run", "format=onnx", "out=m.onnx"))
    assert "m.onnx exists: remove it, or choose another file with out=" in said


def test_one_may_name_the_images_where_the_run_s_own_are_gone(ready: None, finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.directory, tmp_path / "run")
    config = (tmp_path / "run/config.yaml").read_text()
    (tmp_path / "run/config.yaml").write_text(config.replace(str(finished.root), "/gone"))
    said = sentence(run_export(tmp_path, "run=run", "format=onnx"))
    assert "the run's own images can't be used" in said and said.endswith("name images for the comparison with images=DIR")
    ended = run_export(tmp_path, "run=run", "format=onnx", f"images={finished.root / 'stripes/test/good'}")
    assert ended.status == 0, ended.err
    assert "0 of 3 images are decided differently" in ended.out and "AUPRO" not in ended.out
    assert (tmp_path / "exports/run_fp32.onnx").is_file()
    said = sentence(run_export(tmp_path, "run=run", "format=onnx", f"images={finished.root}", "size=10x10", "out=b.onnx"))
    assert "the file would take images of 10 x 10 pixels (height x width), and there is none" in said


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def poisoned(path: Path) -> None:
    torch.save({"state_dict": Evil(path.parent.parent.parent / "ran")}, path)


def of_another_version(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["network"]["depth"] = 3
    torch.save(checkpoint, path)


def foreign(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["network"]["_target_"] = "os.system"
    torch.save(checkpoint, path)


def unfinished(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["threshold"].fill_(float("nan"))
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut, "best.ckpt is damaged or no checkpoint of a run"),
        (poisoned, "best.ckpt is damaged or no checkpoint of a run"),
        (of_another_version, "another version of anomaly_lab made the run's checkpoint"),
        (foreign, "os.system is not part of anomaly_lab"),
        (unfinished, "run has no threshold: let it finish"),
    ],
)
def test_a_bad_checkpoint_is_named_and_its_code_does_not_run(
    harm: Callable[[Path], None], said: str, finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished.directory, tmp_path / "run")
    harm(tmp_path / "run/checkpoints/best.ckpt")
    assert said in sentence(run_export(tmp_path, "run=run", "format=onnx", "out=m.onnx"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_place_that_cannot_be_written_to_is_named(ready: None, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = sentence(run_export(tmp_path, f"run={finished.directory}", "format=onnx", "out=file/m.onnx"))
    assert "file cannot be written to" in said and "choose another directory with out=" in said


def test_a_missing_package_is_named(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    said = sentence(run_export(tmp_path, f"run={finished.directory}", "format=onnx"))
    assert "onnxscript is not installed: pip install 'anomaly_lab[export]'" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["format=onnx"], "run is missing: add run=DIR"),
        (["run=r"], "format is missing: add format=, one of onnx, openvino, torch_export"),
        (["run=r", "format=tflite"], "format is tflite: it must be one of onnx, openvino, torch_export"),
        (["run=r", "format=onnx", "precision=int4"], "precision is int4: it must be one of fp32, fp16, int8"),
        (["run=r", "format=torch_export", "precision=int8"], "precision is int8, which format=torch_export does not have"),
        (["run=r", "format=torch_export", "size=dynamic"], "size is dynamic, which torch can't write to a file"),
        (["run=r", "format=onnx", "size=large"], "size is large: it must be fixed or dynamic, or height x width"),
        (["run=r", "format=onnx", "size=0x5"], "size is 0x5"),
        (["run=r", "format=onnx", "tolerate=-1"], "tolerate is -1: it must be a whole number of at least 0"),
        (["run=r", "format=onnx"], "r holds no run"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    assert said in sentence(run_export(tmp_path, *options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["images=in", "run=r", "model=m.onnx"], "run and model are both given: leave one out"),
        (["images=in", "run=r", "runtime=onnx"], "runtime is onnx: it must be one of onnx, openvino, torch, together with"),
        (["images=in", "model=m.onnx", "runtime=tvm"], "runtime is tvm"),
        (["images=in", "model=m.onnx"], "m.onnx: there is no such file"),
    ],
)
def test_a_mistake_with_a_model_for_predict_is_too(tmp_path: Path, options: list[str], said: str) -> None:
    assert said in sentence(in_process(tmp_path, predict.main, "predict", *options))


def test_a_suffix_of_another_format_is_named(finished: Finished, tmp_path: Path) -> None:
    said = sentence(run_export(tmp_path, f"run={finished.directory}", "format=onnx", "out=m.xml"))
    assert "out is m.xml: a file of format=onnx ends in .onnx" in said


def test_help_needs_no_torch() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "anomaly_lab.export", "--help"], capture_output=True, text=True, check=True
    )
    assert "format=FORMAT" in ended.stdout
    assert not set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M)) & {"torch", "lightning", "cv2", "hydra", "onnx"}


PAGE = (ROOT / "docs/export.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_needs_no_torch_and_decides_as_the_run(
    exported: tuple[Path, str], finished: Finished, tmp_path: Path
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(code.splitlines()) <= 20 and "torch" not in code
    shutil.copy(exported[0], tmp_path / "model.onnx")
    row = max(scores_of(finished.directory), key=lambda row: float(row["score"]))
    shutil.copy(finished.root / "stripes" / row["path"], tmp_path / "image.png")
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    word, score, *_ = ended.stdout.split()
    assert word == ("defective" if row["predicted"] == "1" else "normal")
    assert float(score) == pytest.approx(float(row["score"]), rel=1e-3)
    assert ("a defect at" in ended.stdout) == (row["predicted"] == "1")


def test_the_commands_of_the_page_are_those_tried_here(exported: tuple[Path, str], finished: Finished, tmp_path: Path) -> None:
    export_it, predict_it = shown(PAGE)
    assert export_it == "python -m anomaly_lab.export run=runs/DIRECTORY format=onnx"
    command = predict_it.replace("MODEL.onnx", str(exported[0])).replace("DIR", str(finished.root / "stripes/test")).split()[3:]
    assert in_process(tmp_path, predict.main, "predict", *command, "out=out").status == 0
