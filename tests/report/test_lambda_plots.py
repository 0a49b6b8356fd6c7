"""Plots of a sweep over λ."""

from pathlib import Path

import numpy as np
import pytest
from fake_runs import fake_run, records_of
from matplotlib import pyplot as plt

from anomaly_lab.report.pictures import lambda_plots
from anomaly_lab.report.read.records import Records


@pytest.fixture
def records(tmp_path: Path) -> Records:
    for i, (category, lam) in enumerate((c, lam) for c in ("carpet", "wood") for lam in (0.3, 0.9)):
        for seed in (0, 1):
            fake_run(tmp_path / f"{i}{seed}", category=category, lam=lam, seed=seed, image_auroc=lam + seed / 10)
    fake_run(tmp_path / "alone", category="tile", lam=0.3)
    return records_of(tmp_path)


def test_each_category_is_a_line_over_lambda_with_its_mean_and_spread(records: Records) -> None:
    name, _, figure = next(lambda_plots.plots(records))
    (axis,) = figure.axes
    assert name == "lambda_image_auroc"
    assert axis.get_legend_handles_labels()[1] == ["carpet", "wood"]
    line, _, (bars,) = axis.containers[0]
    assert line.get_xdata().tolist() == [0.3, 0.9]
    assert line.get_ydata() == pytest.approx([0.35, 0.95])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert np.ptp(ends, axis=1) == pytest.approx(2 * np.std([0, 0.1], ddof=1) * np.ones(2))


def test_the_map_prints_each_mean_in_its_field(records: Records) -> None:
    figures = {name: figure for name, _, figure in lambda_plots.plots(records)}
    assert len(figures) == 2 * len(lambda_plots.SWEPT)
    axis = figures["lambda_category_image_auroc"].axes[0]
    texts = {text.get_position(): text.get_text() for text in axis.texts}
    assert texts == {(0, 0): "0.350", (1, 0): "0.350", (0, 1): "0.950", (1, 1): "0.950"}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["0.3", "0.9"]
    plt.close("all")


def test_without_a_second_lambda_there_is_no_plot(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    assert list(lambda_plots.plots(records_of(tmp_path))) == []
