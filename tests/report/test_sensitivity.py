"""Curves over a_min and the thresholds at which decisions change, against the decision rule itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.calibration.levels import detect, quiet_level
from anomaly_lab.calibration.rules import area
from anomaly_lab.report.pictures.thumbnails import RANGE, flip, quantised, stops
from anomaly_lab.report.tables.sensitivity import Levels, by_area, over_alpha, over_area, tables

unhurried = settings(deadline=None)
HEATMAPS = arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 5).map(float))


@unhurried
@given(HEATMAPS, st.integers(1, 10), st.floats(-1, 6))
def test_an_image_counts_as_defective_exactly_below_its_flip(heatmap: np.ndarray, min_area: int, threshold: float) -> None:
    found = flip(heatmap, min_area)
    assert (found is not None and threshold < found) == bool(detect(heatmap, threshold, min_area).any())


def rows_of(split: str, heatmaps: list[tuple[np.ndarray, int]], areas: list[int]) -> list[dict[str, str]]:
    """As levels.csv is read back."""
    return [
        {"split": split, "path": str(i), "label": str(label), "min_area": str(a), "level": repr(quiet_level(h, a))}
        for i, (h, label) in enumerate(heatmaps)
        for a in areas
    ]


@unhurried
@given(
    st.lists(HEATMAPS, min_size=1, max_size=4),
    st.lists(st.tuples(HEATMAPS, st.integers(0, 1)), max_size=5),
    st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True),
)
def test_a_curve_s_rows_are_the_rule_s(normal: list[np.ndarray], test: list[tuple[np.ndarray, int]], areas: list[int]) -> None:
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


def test_rows_of_another_kind_of_file_are_refused() -> None:
    assert by_area([]) == {}
    with pytest.raises(KeyError):
        by_area([{"path": "a"}])
    with pytest.raises(ValueError):
        by_area([{"split": "test", "label": "1", "min_area": "much", "level": "1.0"}])


def test_the_rate_of_false_alarms_stays_below_alpha_on_exchangeable_images() -> None:
    """Over many draws of 9 held-out images and one new normal one, scores of any distribution."""
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
    """Two normal images with flips 1 and 3: at α = 1/3 the threshold is 3, at 2/3 it is 1; what reaches it is not over it."""
    rows = over_alpha(Levels([1.0, 3.0], [3.0, 4.0, 0.5, 2.0, -np.inf], [1, 1, 0, 0, 0]))
    assert [(row.threshold, row.tpr, row.tnr) for row in rows] == [(3.0, 0.5, 1.0), (1.0, 1.0, pytest.approx(2 / 3))]
    assert rows[0].f1 == pytest.approx(2 / 3)


def test_without_curves_there_is_no_table() -> None:
    assert tables([]) == []


def test_the_slider_stops_where_decisions_change_and_at_the_run_s_own() -> None:
    found = stops([0.5, None, 0.125, 0.5], 0.25)
    assert found == sorted(set(found))
    assert {0.0, 0.125, 0.25, 0.5} <= set(found)
    assert stops([None], 0.0) == [0.0]


@unhurried
@given(arrays(np.float32, (4, 4), elements=st.floats(0, 10, width=32)))
def test_thumbnails_levels_are_within_two_percent(heatmap: np.ndarray) -> None:
    """As the page reads them back: value = top · RANGE^((level − 1)/254 − 1), and 0 below the lowest."""
    top = 10.0
    level = quantised(heatmap, top).astype(float)
    back = np.where(level > 0, top * RANGE ** ((level - 1) / 254 - 1), 0)
    high = heatmap > 2 * top / RANGE
    np.testing.assert_allclose(back[high], heatmap[high], rtol=0.02)
    assert (back[heatmap == 0] == 0).all()
