"""The command calibrate: a run of its own with another threshold, from normal images alone."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Ended, Finished, in_process, sentence, write_category

from anomaly_lab.calibrate import main
from anomaly_lab.predict import main as predict
from anomaly_lab.report.read.run import read
from anomaly_lab.runs import images
from anomaly_lab.runs.trained import load


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve normal images of another category folder, none of which the run has learnt from."""
    folder = tmp_path_factory.mktemp("normal")
    write_category(folder / "stripes", train=18, good=0, each=0)
    for path in sorted((folder / "stripes/train/good").iterdir())[:6]:  # the category of the run begins with the same
        path.unlink()
    return folder / "stripes/train/good"


def calibrate(folder: Path, *options: str) -> Ended:
    return in_process(folder, main, "calibrate", *options)


def levels_of(run: Path) -> list[tuple[int, float]]:
    with (run / "levels.csv").open(newline="") as file:
        return [(int(row["min_area"]), float(row["level"])) for row in csv.DictReader(file)]


def test_the_new_run_has_a_threshold_of_the_new_images(finished: Finished, normal: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in finished.directory.rglob("*") if path.is_file()}
    ended = calibrate(tmp_path, f"run={finished.directory}", f"images={normal}", "out=new", "alpha=0.2")
    assert ended.status == 0, ended.err
    module = load(tmp_path / "new").module
    min_area = module.hparams["min_area"]
    levels = sorted(level for area, level in levels_of(tmp_path / "new") if area == min_area)
    assert len(levels) == 12 and float(module.threshold) == pytest.approx(levels[10], rel=1e-6), "number ⌈.8 · 13⌉ = 11"
    assert float(module.threshold) != float(load(finished.directory).module.threshold)
    assert "at most 15.4% of new normal images" in ended.out and "from 12 normal images (before:" in ended.out
    source = json.loads((tmp_path / "new/source.json").read_text())
    assert source["run"] == str(finished.directory.resolve()) and source["calibrated_on"] == str(normal.resolve())
    assert {path: path.read_bytes() for path in before} == before, "the run stays as it is"
    assert read(tmp_path / "new").state == "calibrated"


def test_predict_uses_it(finished: Finished, normal: Path, tmp_path: Path) -> None:
    """None of the images that set the highest threshold is then called defective, up to what all of them taught."""
    assert calibrate(tmp_path, f"run={finished.directory}", f"images={normal}", "out=new").status == 0
    ended = in_process(tmp_path, predict, "predict", "run=new", f"images={normal}", "out=rows")
    assert ended.status == 0, ended.err
    rows = [json.loads(line) for line in (tmp_path / "rows/predictions.jsonl").read_text().splitlines()]
    assert sum(row["defective"] for row in rows) <= 2
    assert all(row["p_value"] >= 1 / 13 for row in rows)


def test_images_of_one_group_count_once(finished: Finished, normal: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted(normal.iterdir())):
        shutil.copy(path, tmp_path / f"part{i // 3}_{i}.png")
    (tmp_path / "in").mkdir()
    for path in tmp_path.glob("part*.png"):
        path.rename(tmp_path / "in" / path.name)
    options = (f"run={finished.directory}", "images=in", r"group=part(\d+)_", "alpha=0.2")
    ended = calibrate(tmp_path, *options, "out=new")
    assert ended.status == 0, ended.err
    assert "12 normal images in 4 groups" in ended.out
    module = load(tmp_path / "new").module
    assert len(module.hparams["calibration"]["levels"]) == 4
    assert float(module.threshold) == max(
        level for area, level in levels_of(tmp_path / "new") if area == module.hparams["min_area"]
    )
    assert "alpha is 0.1: the lowest rate" in sentence(calibrate(tmp_path, *options[:3], "alpha=0.1", "out=other"))


def test_copies_do_not_count_and_training_images_are_refused(finished: Finished, normal: Path, tmp_path: Path) -> None:
    """Whatever their names are."""
    shutil.copytree(normal, tmp_path / "in")
    for i, path in enumerate(sorted(normal.iterdir())[:5]):
        shutil.copy(path, tmp_path / f"in/again{i}.png")
    ended = calibrate(tmp_path, f"run={finished.directory}", "images=in", "out=new")
    assert "5 images are copies of others, and do not count" in ended.out and "from 12 normal images" in ended.out
    assert len(load(tmp_path / "new").module.hparams["calibration"]["levels"]) == 12
    known = images.read(finished.directory)
    path, _ = min(known.train)
    for run in (finished.directory, tmp_path / "new"):
        shutil.copy(finished.root / "stripes" / path, tmp_path / "in/today.png")
        said = sentence(calibrate(tmp_path, f"run={run}", "images=in", "out=other"))
        assert re.search(rf"today\.png is {path}, which \S+ has learnt from: leave it out of images=", said)
    assert images.read(tmp_path / "new").train == known.train
    assert len(images.read(tmp_path / "new").held_out) == 12 + len(known.held_out)
    path, _ = min(known.held_out)
    shutil.copy(finished.root / "stripes" / path, tmp_path / "in/today.png")
    assert calibrate(tmp_path, f"run={finished.directory}", "images=in", "out=other").status == 0, "it was held out"


def test_too_few_images_are_told_with_the_number_that_is_needed(finished: Finished, normal: Path, tmp_path: Path) -> None:
    options = (f"run={finished.directory}", f"images={normal}", "out=new")
    assert "99 of them are needed" in sentence(calibrate(tmp_path, *options, "alpha=0.01"))
    assert "29 normal images promise it with confidence 0.95, not 12" in sentence(
        calibrate(tmp_path, *options, "alpha=0.1", "confidence=0.95")
    )
    assert not (tmp_path / "new/config.yaml").exists()
    ended = calibrate(tmp_path, *options, "alpha=0.3", "confidence=0.9")
    assert ended.status == 0 and "with confidence 0.9, at most 30.0% of all normal images" in ended.out
    assert "holds a run already" in sentence(calibrate(tmp_path, *options))


def test_a_bad_image_is_named(finished: Finished, normal: Path, tmp_path: Path) -> None:
    shutil.copytree(normal, tmp_path / "in")
    (tmp_path / "in/bad.png").write_bytes(b"none")
    assert "bad.png is no complete image file" in sentence(
        calibrate(tmp_path, f"run={finished.directory}", "images=in", "out=new")
    )


def test_brighter_images_get_a_threshold_of_their_own(finished: Finished, normal: Path, tmp_path: Path) -> None:
    """With the old threshold many of them are called defective; with the new one few."""
    (tmp_path / "in").mkdir()
    for path in normal.iterdir():
        cv2.imwrite(str(tmp_path / "in" / path.name), np.clip(cv2.imread(str(path)).astype(int) + 60, 0, 255).astype(np.uint8))
    assert calibrate(tmp_path, f"run={finished.directory}", "images=in", "out=new").status == 0
    counts = []
    for run in (finished.directory, tmp_path / "new"):
        assert in_process(tmp_path, predict, "predict", f"run={run}", "images=in", f"out=rows{len(counts)}").status == 0
        counts.append(json.loads((tmp_path / f"rows{len(counts)}/summary.json").read_text())["defective"])
    assert counts[1] <= 2 and counts[1] <= counts[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["images=a", "out=b"], "run is missing: add run="),
        (["run=r", "out=b"], "images is missing"),
        (["run=r", "images=a"], "out is missing"),
        (["run=r", "images=a", "out=b", "alpha=2"], "alpha is 2: it must be a number between 0 and 1"),
        (["run=r", "images=a", "out=b"], "r holds no run"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    assert said in sentence(calibrate(tmp_path, *options))


def test_help_needs_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "anomaly_lab.calibrate", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "images=PATH" in ended.stdout
    assert not set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M)) & {"torch", "lightning", "cv2", "hydra"}
