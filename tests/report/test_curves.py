"""Curves over a_min and α, against the decision rule itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_runs import fake_run
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.calibration.levels import detect, quiet_level
from anomaly_lab.calibration.rules import area
from anomaly_lab.report.read.curves import Levels, by_area, curves_of, over_alpha, over_area
from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.run import read

HEATMAPS = arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 5).map(float))


def rows_of(split: str, heatmaps: list[tuple[np.ndarray, int]], areas: list[int]) -> list[dict[str, str]]:
    """Rows of levels.csv."""
    return [
        {"split": split, "path": str(i), "label": str(label), "min_area": str(a), "level": repr(quiet_level(h, a))}
        for i, (h, label) in enumerate(heatmaps)
        for a in areas
    ]


@given(
    st.lists(HEATMAPS, min_size=1, max_size=4),
    st.lists(st.tuples(HEATMAPS, st.integers(0, 1)), max_size=5),
    st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True),
)
def test_each_point_follows_from_the_decision_rule(
    normal: list[np.ndarray], test: list[tuple[np.ndarray, int]], areas: list[int]
) -> None:
    levels = by_area(rows_of("validation", [(h, 0) for h in normal], areas) + rows_of("test", test, areas))
    found = over_area(levels)
    assert [int(row.at) for row in found] == [a for a in sorted(areas) if all(h.size >= a for h in normal)]
    for row in found:
        min_area = int(row.at)
        assert row.threshold == area([quiet_level(h, min_area) for h in normal])
        predicted = [(int(detect(h, row.threshold, min_area).any()), label) for h, label in test]
        for value, wanted in ((row.tpr, 1), (row.tnr, 0)):
            of = [p == wanted for p, label in predicted if label == wanted]
            assert value == (pytest.approx(np.mean(of)) if of else None)


def test_rows_of_another_file_are_refused() -> None:
    assert by_area([]) == {}
    with pytest.raises(KeyError):
        by_area([{"path": "a"}])
    with pytest.raises(ValueError):
        by_area([{"split": "test", "label": "1", "min_area": "much", "level": "1.0"}])


def test_the_rate_of_false_alarms_stays_below_alpha_on_exchangeable_images() -> None:
    """Over many draws of 9 held-out images and one new normal image."""
    rng = np.random.default_rng(0)
    alarms = np.zeros(9)
    draws = 4000
    for _ in range(draws):
        *normal, new = rng.lognormal(size=10).tolist()
        rows = over_alpha(Levels(normal, [new], [0]))
        alarms += [1 - row.tnr for row in rows]  # type: ignore[operator]
    alpha = np.arange(1, 10) / 10
    assert [row.at for row in rows] == pytest.approx(alpha)
    np.testing.assert_allclose(alarms / draws, alpha, atol=3 * 0.5 / np.sqrt(draws))  # without ties the bound is met exactly


def test_over_alpha_by_hand() -> None:
    """Two normal images with levels 1 and 3: the threshold is 3 at α = 1/3 and 1 at 2/3. A level equal to it is not over it."""
    rows = over_alpha(Levels([1.0, 3.0], [3.0, 4.0, 0.5, 2.0, -np.inf], [1, 1, 0, 0, 0]))
    assert [(row.threshold, row.tpr, row.tnr) for row in rows] == [(3.0, 0.5, 1.0), (1.0, 1.0, pytest.approx(2 / 3))]
    assert rows[0].f1 == pytest.approx(2 / 3)


def test_a_run_has_curves_only_if_its_levels_cover_its_own_a_min(tmp_path: Path) -> None:
    rows = rows_of("validation", [(np.eye(4, dtype=np.float32), 0)], [1, 4]) + rows_of("test", [(np.ones((4, 4)), 1)], [1, 4])
    run = replace(read(fake_run(tmp_path / "a", min_area=4)), note="")
    run.__dict__["levels"] = rows
    found = curves_of(run, "a name")
    assert found is not None and (found.min_area, found.setting, source(found.run)) == (4, "a name", "synthetic")
    assert [p.at for p in found.over_area] == [1, 4] and [p.at for p in found.over_alpha] == [0.5]
    other = read(fake_run(tmp_path / "b", min_area=5))
    assert curves_of(other, "no levels.csv") is None
    other.__dict__["levels"] = rows
    assert curves_of(other, "another a_min") is None
