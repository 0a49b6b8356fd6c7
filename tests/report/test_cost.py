"""The plot of cost against quality."""

from pathlib import Path

import pytest
from fake_runs import fake_run, records_of
from matplotlib import pyplot as plt

from anomaly_lab.report.pictures import cost


def test_a_point_has_the_mean_minutes_and_the_mean_metric(tmp_path: Path) -> None:
    for seed in (0, 1):
        fake_run(tmp_path / str(seed), seed=seed, train_seconds=60.0 + 60 * seed, image_auroc=0.5 + seed / 5)
    fake_run(tmp_path / "real", data="mvtec", root="/x", category="mine", pixel_auroc=None)
    ((name, _, figure),) = cost.plots(records_of(tmp_path))
    image, pixel = figure.axes
    points = {text.get_text(): text.xy for text in image.texts}
    assert name == "cost"
    assert points == {"carpet": pytest.approx((1.5, 0.6)), "mine*": pytest.approx((1.5, 0.9))}
    assert [text.get_text() for text in pixel.texts] == ["carpet"], "a run without the metric has no point"
    plt.close("all")
