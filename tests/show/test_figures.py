"""Figures: readable files of a sensible size, atomically written."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Finished
from matplotlib import pyplot as plt

from anomaly_lab.show import figures


def example(truth: bool = True, size: tuple[int, int] = (40, 60)) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    image = rng.random((*size, 3), dtype=np.float32)
    heatmap = rng.random(size, dtype=np.float32)
    return {
        "image": image,
        "reconstruction": image[::-1],
        "heatmap": heatmap,
        "mask": heatmap > 0.9,
        "truth": heatmap > 0.95 if truth else None,
        "title": "hole\n000",
    }


def picture(path: Path) -> np.ndarray:
    """The pixels of an image file, which must not be blank."""
    pixels = cv2.imread(str(path))
    assert pixels is not None, f"{path} is readable"
    assert pixels.std() > 5
    return pixels


def test_detections_have_one_row_per_example(tmp_path: Path) -> None:
    heights, open_before = [], plt.get_fignums()
    for count in (1, 3):
        figures.save(figures.detections([example() for _ in range(count)], 0.5, "three holes"), tmp_path / "d.png")
        height, width, _ = picture(tmp_path / "d.png").shape
        assert 800 <= width <= 2000
        heights.append(height)
    assert heights[1] > 2 * heights[0] > 400
    assert plt.get_fignums() == open_before, "a saved figure is closed, or a long multirun would fill the memory"


@pytest.mark.parametrize("threshold", [0.0, float("nan")])
def test_detections_are_drawn_without_truth_and_without_a_usable_threshold(tmp_path: Path, threshold: float) -> None:
    figures.save(figures.detections([example(truth=False), example()], threshold, "no mask"), tmp_path / "d.png")
    picture(tmp_path / "d.png")


def test_names_with_dollars_are_drawn_as_they_are(tmp_path: Path) -> None:
    figures.save(figures.detections([example() | {"title": "ab$^$\nimg_$1_$2"}], 0.5, "$\\frac$"), tmp_path / "d.png")
    picture(tmp_path / "d.png")


def test_training_pairs_have_one_column_per_pair(tmp_path: Path) -> None:
    X = np.random.default_rng(0).random((32, 32, 3))
    figures.save(figures.training_pairs([(X, 1 - X, X[..., 0] > 0.5)] * 4, "pairs"), tmp_path / "p.png")
    height, width, _ = picture(tmp_path / "p.png").shape
    assert width > height > 300


def test_history_draws_the_points_that_there_are() -> None:
    rows = {4: {"train/loss": "0.5", "val/proxy_ap": "0.25"}, 0: {"train/loss": "1.0"}}
    figure = figures.history(rows, "run")
    loss, proxy, error = (axis.lines for axis in figure.axes)
    np.testing.assert_array_equal(loss[0].get_xydata(), [(0, 1.0), (4, 0.5)])
    np.testing.assert_array_equal(proxy[0].get_xydata(), [(4, 0.25)])
    assert list(error) == [], "not logged yet"
    plt.close(figure)


def test_a_failed_picture_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.png").write_bytes(b"old")
    figure = plt.figure()
    monkeypatch.setattr(figure, "savefig", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, tmp_path / "d.png")
    plt.close(figure)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_run_s_pictures_are_readable_and_of_sensible_size(finished: Finished) -> None:
    for name in ("detections", "extremes", "history", "training_pairs"):
        path = finished.directory / f"figures/{name}.png"
        height, width, _ = picture(path).shape
        assert 200 <= height <= 3000
        assert 600 <= width <= 2000
        assert path.stat().st_size < 3_000_000
