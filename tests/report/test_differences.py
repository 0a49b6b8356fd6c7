"""The plot of paired comparisons."""

from pathlib import Path

import pytest
from fake_runs import fake_run, records_of
from matplotlib import pyplot as plt

from anomaly_lab.report.pictures import differences
from anomaly_lab.report.tables.comparison import comparisons


def test_each_comparison_is_a_row_with_its_units_mean_and_interval(tmp_path: Path) -> None:
    for objective, base in (("amplify", 0.5), ("restore", 0.6)):
        for seed in range(3):
            fake_run(tmp_path / f"{objective}{seed}", objective=objective, seed=seed, image_auroc=base + seed**2 / 100)
    records = records_of(tmp_path)
    ((name, _, figure),) = differences.plots(records)
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
    assert list(differences.plots(records_of(tmp_path))) == []
