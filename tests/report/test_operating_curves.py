"""The plots over a_min and α."""

from pathlib import Path

from fake_runs import fake_run
from matplotlib import pyplot as plt

from anomaly_lab.report.pictures import operating_curves
from anomaly_lab.report.read.curves import Curves, Point
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import read


def test_rates_are_drawn_over_a_min_and_alpha_and_undefined_ones_left_out(tmp_path: Path) -> None:
    area = [Point(2, 0.5, 1.0, 0.5, 0.8), Point(4, 0.25, 0.75, None, 0.9)]
    curves = Curves(read(fake_run(tmp_path / "a")), "a setting", 4, area, [Point(0.5, 0.25, 0.0, 1.0, 0.0)])
    found = {name: figure for name, _, figure in operating_curves.plots(Records([], [], [curves]))}
    axis = found["min_area"].axes[0]
    assert [line.get_xdata().tolist() for line in axis.lines[:3]] == [[2, 4], [2], [2, 4]]
    assert [line.get_ydata().tolist() for line in axis.lines[:3]] == [[1, 0.75], [0.5], [0.8, 0.9]]
    assert axis.get_legend_handles_labels()[1] == ["TPR", "TNR", "image F1"]
    assert list(axis.lines[3].get_xdata()) == [4, 4], "the run's own a_min"
    assert found["alpha"].axes[0].lines[0].get_xdata().tolist() == [0.5]
    assert axis.get_title() == "carpet, a setting, seed 0\ndata: synthetic"
    plt.close("all")


def test_without_curves_there_is_no_plot() -> None:
    assert list(operating_curves.plots(Records([], [], []))) == []
