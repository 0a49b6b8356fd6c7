"""The Python API of README gives the results of scores.csv."""

import csv
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Finished, other_threshold

import anomaly_lab
from anomaly_lab import Detector
from anomaly_lab.errors import UserError

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def detector(finished: Finished) -> Detector:
    return Detector(finished.directory)


def rows(finished: Finished) -> dict[Path, dict[str, str]]:
    with (finished.directory / "scores.csv").open(newline="") as file:
        return {finished.root / "stripes" / row["path"]: row for row in csv.DictReader(file)}


def test_detections_agree_with_scores_csv_and_heatmaps(detector: Detector, finished: Finished) -> None:
    for path, detection in detector.many(rows(finished)):
        row = rows(finished)[Path(path)]
        assert repr(detection.score) == row["score"]
        assert detection.defective == bool(int(row["predicted"])) == bool(detection.mask.any())
        stem = row["path"].removeprefix("test/").removesuffix(".png")
        np.testing.assert_array_equal(detection.heatmap, np.load(finished.directory / f"heatmaps/{stem}.npy"))
        assert (detection.mask <= (detection.heatmap > detector.threshold)).all()


def test_pixels_give_the_score_of_their_file(detector: Detector, finished: Finished) -> None:
    path = next(iter(rows(finished)))
    pixels = cv2.imread(str(path))[..., ::-1]
    assert detector(pixels).score == detector(path).score == detector(str(path)).score


@pytest.mark.parametrize("pixels", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_other_arrays_are_refused(detector: Detector, pixels: Any) -> None:
    with pytest.raises(ValueError, match=r"an image must be uint8 \(H, W, 3\) RGB"):
        detector(pixels)


def test_many_images_are_scored_one_by_one(detector: Detector, finished: Finished) -> None:
    """Images before a file that can't be read are scored."""
    path = next(iter(rows(finished)))
    found = detector.many([path, "nowhere.png"])
    assert next(found)[0] == path
    with pytest.raises(UserError, match=r"nowhere\.png cannot be read"):
        next(found)


def test_a_directory_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        Detector(tmp_path)


def test_a_run_without_a_threshold_is_refused(finished: Finished, tmp_path: Path) -> None:
    run = other_threshold(finished.directory, tmp_path / "run", float("nan"))
    with pytest.raises(UserError, match=r"run has no threshold: let it finish with .* resume="):
        Detector(run)


def test_readme_s_lines_run(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", README, flags=re.DOTALL)
    assert len(code.splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    for name in ("image", "a", "b"):
        cv2.imwrite(f"{name}.png", np.full((64, 64, 3), 99, np.uint8))
    names: dict[str, Any] = {}
    exec(code.replace("runs/DIRECTORY", str(finished.directory)), names)
    assert names["heatmap"].shape == names["mask"].shape == (64, 64)


def test_the_package_exports_the_detector() -> None:
    assert anomaly_lab.Detector is Detector
    with pytest.raises(AttributeError, match="has no attribute Detectr"):
        anomaly_lab.Detectr  # noqa: B018


def test_an_image_unlike_the_training_s_is_named(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    Detector(finished.directory)(np.full((32, 64, 3), 255, np.uint8))
    (said,) = caplog.messages
    assert said.startswith("an image is unlike the training images in brightness, color, sharpness")
