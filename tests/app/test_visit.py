"""What a visitor sees of images, threshold and marks, without a page."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.app.decide import Judge
from anomaly_lab.app.marks import NORMAL, Marks
from anomaly_lab.app.visit import FOUND, PLAIN, Slider, slider, thumbnail, visible

SOURCE = {"run": "x", "checkpoint": "y"}


def test_the_slider_has_the_run_s_own_threshold_bit_for_bit(judge: Judge) -> None:
    found = slider(judge)
    assert found.low < judge.threshold < found.high and 100 < (found.high - found.low) / found.step < 500
    steps = (judge.threshold - found.low) / found.step
    assert steps == pytest.approx(round(steps), abs=1e-6)
    assert found.threshold(round(judge.threshold, found.digits)) == judge.threshold
    assert Slider(0.0, 0.002, 1e-5, 0.001).digits == 8 and Slider(0.0, 200.0, 1.0, 100.0).digits == 3
    assert found.threshold(judge.threshold + found.step) == judge.threshold + found.step


@pytest.mark.parametrize("given", [None, "9", float("nan"), float("inf"), True, [1.0]])
def test_what_is_no_number_is_the_run_s_own_threshold(given: object) -> None:
    assert Slider(0.0, 10.0, 0.1, 5.0).threshold(given) == 5.0
    assert Slider(0.0, 10.0, 0.1, 5.0).threshold(6) == 6.0


def test_everything_follows_the_image_the_threshold_and_the_marks(judge: Judge, images: list[Path], tmp_path: Path) -> None:
    seen = [judge.judge(image, image.name) for image in images[:2]]
    level = seen[1].level
    assert level is not None
    with Marks(tmp_path / "out", SOURCE) as marks:
        marks.mark(seen[1], NORMAL)
        below = visible(judge, marks, tmp_path / "thumbs", seen, 1, float(np.nextafter(level, 0)), FOUND)
        above = visible(judge, marks, tmp_path / "thumbs", seen, 1, level, FOUND)
        plain = visible(judge, marks, tmp_path / "thumbs", seen, 1, level, PLAIN)
        nothing = visible(judge, marks, tmp_path / "thumbs", [], 0, level, FOUND)
    assert "<h2>Defective" in below.verdict and "<h2>Normal" in above.verdict
    assert "0 of 1" in below.tally and "1 of 1" in above.tally and "1 image is marked as normal" in above.what_for
    assert below.picture is not None and above.picture is not None and plain.picture is not None
    assert not np.array_equal(below.picture, above.picture), "the outline is gone"
    assert np.array_equal(plain.picture, cv2.imread(str(images[1]))[..., ::-1])
    assert below.strip.count("<button") == 2 and f"{tmp_path}/out/normal" in above.command
    assert nothing.picture is None and "No image yet" in nothing.verdict and "<button" not in nothing.strip


def test_small_pictures_are_made_once(judge: Judge, images: list[Path], tmp_path: Path) -> None:
    found = judge.judge(images[0], "a")
    path = thumbnail(judge, found, tmp_path / "thumbs")
    assert max(cv2.imread(str(path)).shape) == 144
    before = path.stat().st_mtime_ns
    assert thumbnail(judge, found, tmp_path / "thumbs") == path and path.stat().st_mtime_ns == before
    (tmp_path / "broken").write_bytes(b"x")
    grey = cv2.imread(str(thumbnail(judge, judge.judge(tmp_path / "broken", "b"), tmp_path / "thumbs")))
    assert grey.min() == grey.max()
