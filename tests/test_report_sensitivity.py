"""Curves over a_min and the thresholds at which decisions change, against the decision rule itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.calibration import area_threshold, detect
from anomaly_lab.report.gallery import RANGE, quantised, stops
from anomaly_lab.report.sensitivity import STEPS, Curve, areas, flip, over_alpha, tables

unhurried = settings(deadline=None)
HEATMAPS = arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 5).map(float))


@unhurried
@given(HEATMAPS, st.integers(1, 10), st.floats(-1, 6))
def test_an_image_counts_as_defective_exactly_below_its_flip(heatmap: np.ndarray, min_area: int, threshold: float) -> None:
    found = flip(heatmap, min_area)
    assert (found is not None and threshold < found) == bool(detect(heatmap, threshold, min_area).any())


@unhurried
@given(
    st.lists(HEATMAPS, min_size=1, max_size=4),
    st.lists(st.tuples(HEATMAPS, st.integers(0, 1)), max_size=5),
    st.integers(1, 4),
)
def test_a_curve_s_rows_are_the_rule_s(normal: list[np.ndarray], test: list[tuple[np.ndarray, int]], own: int) -> None:
    curve = Curve(own)
    assert list(curve.calibrate(iter(normal))) == [flip(h, own) for h in normal]
    for heatmap, label in test:
        curve.add(heatmap, label)
    for row in curve.rows():
        min_area = int(row.at)
        assert row.threshold == area_threshold(normal, min_area)
        predicted = [(int(detect(h, row.threshold, min_area).any()), label) for h, label in test]
        for value, wanted in ((row.tpr, 1), (row.tnr, 0)):
            of = [p == wanted for p, label in predicted if label == wanted]
            assert value == (pytest.approx(np.mean(of)) if of else None)


def test_no_normal_image_that_calibrates_is_detected_and_larger_areas_have_lower_thresholds() -> None:
    normal = [np.random.default_rng(i).random((30, 30), np.float32) for i in range(4)]
    curve = Curve(16)
    list(curve.calibrate(normal))
    for h in normal:
        curve.add(h, 0)
    assert all(row.tnr == 1 and row.tpr is None for row in curve.rows())
    thresholds = [row.threshold for row in curve.rows()]
    assert thresholds == sorted(thresholds, reverse=True)


def test_the_rate_of_false_alarms_stays_below_alpha_on_exchangeable_images() -> None:
    """Over many draws of 9 held-out images and one new normal one, scores of any distribution."""
    rng = np.random.default_rng(0)
    alarms = np.zeros(9)
    draws = 4000
    for _ in range(draws):
        *normal, new = rng.lognormal(size=10).tolist()
        rows = over_alpha(normal, [(new, 0)])
        alarms += [1 - row.tnr for row in rows]  # type: ignore[operator]
    alpha = np.arange(1, 10) / 10
    assert [row.at for row in rows] == pytest.approx(alpha)
    np.testing.assert_allclose(alarms / draws, alpha, atol=3 * 0.5 / np.sqrt(draws))  # without ties the bound is met exactly


def test_over_alpha_by_hand() -> None:
    """Two normal images with flips 1 and 3: at α = 1/3 the threshold is 3, at 2/3 it is 1; what reaches it is not over it."""
    rows = over_alpha([1.0, 3.0], [(3.0, 1), (4.0, 1), (0.5, 0), (2.0, 0), (None, 0)])
    assert [(row.threshold, row.tpr, row.tnr) for row in rows] == [(3.0, 0.5, 1.0), (1.0, 1.0, pytest.approx(2 / 3))]
    assert rows[0].f1 == pytest.approx(2 / 3)


def test_areas_surround_the_run_s_own() -> None:
    assert areas(16) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert areas(2)[0] == 1 and 2 in areas(2) and len(areas(1000)) == 2 * STEPS + 1


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
