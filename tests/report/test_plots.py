"""All plots of a report."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_runs import fake_run, records_of
from matplotlib import pyplot as plt

from anomaly_lab.report.pictures import plots
from anomaly_lab.report.read.curves import Curves, Point
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import read
from anomaly_lab.report.tables.comparison import comparisons


def test_the_plots_of_a_sweep_are_readable_files_in_both_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "SWEPT", {"image_auroc": "image AUROC"})  # time
    for i in range(8):
        lam, category, seed = (0.3, 0.9)[i % 2], ("carpet", "wood")[i // 2 % 2], i // 4
        fake_run(tmp_path / f"runs/{i}", lam=lam, category=category, seed=seed, image_auroc=lam / 2 + seed / 10)
    pictures = list(plots.plots(records_of(tmp_path / "runs"), tmp_path / "figures"))
    assert [p.name for p in pictures] == ["lambda_image_auroc", "lambda_category_image_auroc", "comparisons", "cost"]
    for p in pictures:
        image = cv2.imread(str(p.png))
        assert image is not None and image.std() > 5
        text = p.svg.read_text()
        assert text.startswith("<?xml") and "</svg>" in text
        assert p.caption
    assert ">carpet</text>" in (tmp_path / "figures/cost.svg").read_text(), "text stays text"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    for i, (category, lam) in enumerate((c, lam) for c in ("carpet", "wood") for lam in (0.3, 0.9)):
        for seed in (0, 1):
            fake_run(tmp_path / f"{i}{seed}", category=category, lam=lam, seed=seed, image_auroc=lam + seed / 10)
    fake_run(tmp_path / "alone", category="tile", lam=0.3)
    return records_of(tmp_path)


def test_each_category_is_a_line_over_lambda_with_its_mean_and_spread(records: Records) -> None:
    name, _, figure = next(plots.lambda_plots(records))
    (axis,) = figure.axes
    assert name == "lambda_image_auroc"
    assert axis.get_legend_handles_labels()[1] == ["carpet", "wood"]
    line, _, (bars,) = axis.containers[0]
    assert line.get_xdata().tolist() == [0.3, 0.9]
    assert line.get_ydata() == pytest.approx([0.35, 0.95])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert np.ptp(ends, axis=1) == pytest.approx(2 * np.std([0, 0.1], ddof=1) * np.ones(2))


def test_the_map_prints_each_mean_in_its_field(records: Records) -> None:
    figures = {name: figure for name, _, figure in plots.lambda_plots(records)}
    assert len(figures) == 2 * len(plots.SWEPT)
    axis = figures["lambda_category_image_auroc"].axes[0]
    texts = {text.get_position(): text.get_text() for text in axis.texts}
    assert texts == {(0, 0): "0.350", (1, 0): "0.350", (0, 1): "0.950", (1, 1): "0.950"}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["0.3", "0.9"]
    plt.close("all")


def test_without_a_second_lambda_there_is_no_plot(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    assert list(plots.lambda_plots(records_of(tmp_path))) == []


def test_each_comparison_is_a_row_with_its_units_mean_and_interval(tmp_path: Path) -> None:
    for objective, base in (("amplify", 0.5), ("restore", 0.6)):
        for seed in range(3):
            fake_run(tmp_path / f"{objective}{seed}", objective=objective, seed=seed, image_auroc=base + seed**2 / 100)
    records = records_of(tmp_path)
    ((name, _, figure),) = plots.comparison_plots(records)
    assert name == "comparisons" and len(figure.axes) == 4
    axis = figure.axes[0]
    found = next(c for c in comparisons(records.groups) if c.metric == "image_auroc")
    dots, cross, interval, zero = axis.lines
    assert dots.get_xdata() == pytest.approx(found.differences)
    assert cross.get_xdata() == pytest.approx([found.mean])
    assert interval.get_xdata() == pytest.approx(found.interval())
    assert zero.get_xdata() == [0, 0]
    assert axis.get_yticklabels()[0].get_text() == "restore λ=0.5\nagainst amplify λ=0.5 (synthetic)"
    plt.close("all")


def test_one_setting_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    assert list(plots.comparison_plots(records_of(tmp_path))) == []


def test_a_point_has_the_mean_minutes_and_the_mean_metric(tmp_path: Path) -> None:
    for seed in (0, 1):
        fake_run(tmp_path / str(seed), seed=seed, train_seconds=60.0 + 60 * seed, image_auroc=0.5 + seed / 5)
    fake_run(tmp_path / "real", data="mvtec", root="/x", category="mine", pixel_auroc=None)
    ((name, _, figure),) = plots.cost_plots(records_of(tmp_path))
    image, pixel = figure.axes
    points = {text.get_text(): text.xy for text in image.texts}
    assert name == "cost"
    assert points == {"carpet": pytest.approx((1.5, 0.6)), "mine*": pytest.approx((1.5, 0.9))}
    assert [text.get_text() for text in pixel.texts] == ["carpet"], "a run without the metric has no point"
    plt.close("all")


def test_rates_are_drawn_over_a_min_and_alpha_and_undefined_ones_left_out(tmp_path: Path) -> None:
    area = [Point(2, 0.5, 1.0, 0.5, 0.8), Point(4, 0.25, 0.75, None, 0.9)]
    curves = Curves(read(fake_run(tmp_path / "a")), "a setting", 4, area, [Point(0.5, 0.25, 0.0, 1.0, 0.0)])
    found = {name: figure for name, _, figure in plots.operating_plots(Records([], [], [curves]))}
    axis = found["min_area"].axes[0]
    assert [line.get_xdata().tolist() for line in axis.lines[:3]] == [[2, 4], [2], [2, 4]]
    assert [line.get_ydata().tolist() for line in axis.lines[:3]] == [[1, 0.75], [0.5], [0.8, 0.9]]
    assert axis.get_legend_handles_labels()[1] == ["TPR", "TNR", "image F1"]
    assert list(axis.lines[3].get_xdata()) == [4, 4], "the run's own a_min"
    assert found["alpha"].axes[0].lines[0].get_xdata().tolist() == [0.5]
    assert axis.get_title() == "carpet, a setting, seed 0\ndata: synthetic"
    plt.close("all")


def test_without_curves_there_is_no_plot() -> None:
    assert list(plots.operating_plots(Records([], [], []))) == []
