"""Which test images a run's figures show, and that a failing figure ends no run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from anomaly_lab.data.folder import NORMAL, Sample
from anomaly_lab.scored import Scored
from anomaly_lab.show.gallery import EXTREMES, MAX_SIDE, PER_DEFECT, Gallery, publish


def gallery_of(tested: list[tuple[str, float]], side: int = 16, truth: bool = True) -> Gallery:
    """A gallery after a test of images with these defects and scores."""
    gallery, heatmap = Gallery("a run"), np.random.default_rng(0).random((side, side), np.float32)
    for i, (defect, score) in enumerate(tested):
        sample, image = Sample(Path(f"{defect}/{i:03d}.png"), defect, None), torch.rand(3, 8, 8)
        scored = Scored(heatmap, score, torch.rand(3, 8, 8), None, sample, image, image, heatmap > 0.5 if truth else None, ())
        gallery.add(scored, heatmap > 0.7)
    return gallery


def stems(examples: list[dict[str, Any]]) -> list[str]:
    return [example["title"].split("\n")[1] for example in examples]


def test_the_first_of_each_kind_of_defect_are_shown() -> None:
    tested = [(defect, 0.5) for defect in (NORMAL, "hole", "cut") for _ in range(PER_DEFECT + 2)]
    gallery = gallery_of(tested)
    shown = [example["title"].split("\n")[0] for example in gallery.examples]
    assert shown == [NORMAL] * PER_DEFECT + ["hole"] * PER_DEFECT + ["cut"] * PER_DEFECT
    assert stems(gallery.examples)[:PER_DEFECT] == [f"{i:03d}" for i in range(PER_DEFECT)]


def test_extremes_are_the_lowest_defective_and_the_highest_normal() -> None:
    defective = [("hole", score) for score in (0.9, 0.1, 0.8, 0.2, 0.7, 0.3)]
    normal = [(NORMAL, score) for score in (0.1, 0.9, 0.2, 0.8, 0.3, 0.7)]
    gallery = gallery_of(defective + normal)
    assert stems(gallery.missed) == ["001", "003", "005", "004"][:EXTREMES]
    assert stems(gallery.alarms) == ["007", "009", "011", "010"][:EXTREMES]


def test_maps_of_large_images_lose_rows_and_columns() -> None:
    (shown,) = gallery_of([("hole", 0.5)], side=MAX_SIDE + 200).examples
    assert max(shown["heatmap"].shape) <= MAX_SIDE
    assert shown["mask"].shape == shown["truth"].shape == shown["heatmap"].shape


@pytest.mark.parametrize("tested", [[("hole", 0.5)], [(NORMAL, 0.5)]])
def test_a_test_of_one_class_gives_figures_too(tmp_path: Path, tested: list[tuple[str, float]]) -> None:
    drawn = gallery_of(tested, truth=False).drawn(threshold=0.5)
    assert set(drawn) == {"detections", "extremes"}
    for name, figure in drawn.items():
        publish(figure, name, [], 0, tmp_path / "figures")
        assert (tmp_path / f"figures/{name}.png").stat().st_size > 1000


def test_without_test_images_there_are_no_figures() -> None:
    assert Gallery("a run").drawn(0.5) == {}


def test_a_figure_that_cannot_be_written_is_logged_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "figures").write_text("a file where the folder should be")
    open_before = plt.get_fignums()
    publish(plt.figure(), "detections", [], 0, tmp_path / "figures")
    assert "the figure detections could not be written" in caplog.text
    assert plt.get_fignums() == open_before, "the figure is closed all the same"
