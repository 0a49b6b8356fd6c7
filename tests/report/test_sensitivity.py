"""The tables over a_min and α."""

from pathlib import Path

from fake_runs import fake_run

from anomaly_lab.report.read.curves import Curves, Point
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import read
from anomaly_lab.report.tables import sensitivity


def test_without_curves_there_is_no_table() -> None:
    assert sensitivity.tables(Records([], [], [])) == []


def test_each_point_of_the_curves_is_a_row_and_the_run_s_own_a_min_is_marked(tmp_path: Path) -> None:
    points = [Point(2, 0.5, 1.0, 0.5, 0.8), Point(4, 0.25, 1.0, None, 0.9)]
    curves = Curves(read(fake_run(tmp_path / "a")), "a setting", 4, points, [Point(0.5, 0.25, 0.0, 1.0, 0.0)])
    area, alpha = sensitivity.tables(Records([], [], [curves]))
    first = ["synthetic", "carpet", "a setting", "0"]
    assert [[cell.text for cell in row] for row in area.rows] == [
        [*first, "2", "0.5", "1.000", "0.500", "0.750", "0.800", ""],
        [*first, "4", "0.25", "1.000", "–", "–", "0.900", "the run's own"],
    ]
    assert [[cell.text for cell in row] for row in alpha.rows] == [
        [*first, "0.500", "0.25", "0.000", "1.000", "0.500", "0.000", ""],
    ]
    assert area.folded and alpha.folded
