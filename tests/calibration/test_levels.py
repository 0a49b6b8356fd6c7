"""Quiet levels and detection against brute force and SciPy, and examples by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from anomaly_lab.calibration.levels import detect, largest_component_area, quiet_level, quiet_levels
from anomaly_lab.calibration.rules import area

EIGHT = np.ones((3, 3))
SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 8))
MIN_AREAS = st.integers(1, 12)


@st.composite
def heatmap_lists(draw):
    """Up to four heatmaps of different sizes, in float32 or float64, with many ties, in any range and of any sign."""
    step, offset = draw(st.sampled_from([(1.0, 0.0), (0.1, -0.3), (1e-20, 0.0), (1e5, -4e5)]))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    elements = st.integers(0, 9)
    found = draw(st.lists(arrays(np.int64, SHAPES, elements=elements), min_size=1, max_size=4))
    return [(h * step + offset).astype(kind) for h in found]


def sizes(mask):
    """Sizes of the 8-connected components, by SciPy."""
    label, n = ndimage.label(mask, structure=EIGHT)
    return [int((label == i).sum()) for i in range(1, n + 1)]


def area_threshold(heatmaps, min_area):
    """The paper's threshold, by our functions."""
    return area([quiet_level(heatmap, min_area) for heatmap in heatmaps])


def brute_force_threshold(heatmaps, min_area):
    """The lowest value at which no component is large enough; −∞ if every heatmap is too small for one."""
    if all(heatmap.size < min_area for heatmap in heatmaps):
        return -np.inf
    for t in np.unique(np.concatenate([h.ravel() for h in heatmaps])):
        if all(size < min_area for h in heatmaps for size in sizes(h > t)):
            return float(t)
    raise AssertionError("nothing exceeds the highest value")


@given(heatmap_lists(), MIN_AREAS)
def test_threshold_equals_brute_force(heatmaps, min_area):
    assert area_threshold(iter(heatmaps), min_area) == brute_force_threshold(heatmaps, min_area)


@given(heatmap_lists(), MIN_AREAS)
def test_no_calibration_image_is_detected_and_one_is_just_below(heatmaps, min_area):
    threshold = area_threshold(heatmaps, min_area)
    assert not any(detect(h, threshold, min_area).any() for h in heatmaps)
    values = np.unique(np.concatenate([h.ravel() for h in heatmaps]))
    lower = values[values < threshold]
    assume(lower.size)
    assert any(detect(h, float(lower[-1]), min_area).any() for h in heatmaps)


@given(heatmap_lists())
def test_min_area_of_one_gives_the_highest_value(heatmaps):
    assert area_threshold(heatmaps, 1) == max(h.max() for h in heatmaps)


def test_threshold_by_hand():
    one = np.array([[9.0, 0, 0, 0], [0, 0, 7, 6], [0, 0, 5, 0]])  # {> 4}: components of 1 and 3 pixels
    other = np.array([[3.0, 8, 8]])
    assert area_threshold([one], 3) == 5.0
    assert area_threshold([one], 4) == 0.0  # {> 0} has only these two components
    assert area_threshold([one, other], 3) == area_threshold([other, one], 3) == 5.0
    assert area_threshold([one, other], 2) == area_threshold([other, one], 2) == 8.0


def test_components_touch_at_corners():
    diagonal = np.eye(4)
    assert largest_component_area(diagonal, 0.5) == 4  # by 4-connectivity: 1
    assert area_threshold([diagonal], 2) == 1.0  # by 4-connectivity: 0.0
    assert detect(diagonal, 0.5, 4).sum() == 4


@given(heatmap_lists(), st.integers(0, 9), MIN_AREAS)
def test_detection_drops_exactly_the_small_components(heatmaps, index, min_area):
    heatmap = heatmaps[0]
    threshold = float(heatmap.flat[index % heatmap.size])
    label, n = ndimage.label(heatmap > threshold, structure=EIGHT)
    expected = np.zeros(heatmap.shape, bool)
    for i in range(1, n + 1):
        expected |= (label == i) & ((label == i).sum() >= min_area)
    found = detect(heatmap, threshold, min_area)
    assert found.dtype == bool and (found == expected).all()
    assert largest_component_area(heatmap, threshold) == max(sizes(heatmap > threshold), default=0)


def test_a_pixel_at_the_threshold_does_not_exceed_it():
    assert detect(np.array([[1.0, 2.0]]), 1.0, 1).tolist() == [[False, True]]


def test_the_comparison_is_exact_for_float32():
    heatmap = np.array([[0.1]], np.float32)  # 0.100000001490…, more than 0.1
    assert detect(heatmap, 0.1, 1).all() and not detect(heatmap, float(heatmap[0, 0]), 1).any()


def test_the_heatmap_is_not_changed():
    heatmap = np.random.default_rng(0).random((20, 20), np.float32)
    before = heatmap.copy()
    assert area_threshold([heatmap], 5) == brute_force_threshold([heatmap], 5)
    detect(heatmap, 0.5, 5)
    assert (heatmap == before).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_infinite_and_nan_values_are_refused_and_counted(bad):
    heatmap = np.ones((3, 4))
    heatmap[1, 1:3] = bad
    with pytest.raises(ValueError, match="2 of the heatmap's 12 values"):
        area_threshold([np.ones((3, 4)), heatmap], 2)
    with pytest.raises(ValueError, match="2 of the heatmap's 12 values"):
        detect(heatmap, 0.5, 2)


def test_calibration_without_data_is_refused():
    with pytest.raises(ValueError, match="nothing to calibrate on"):
        area_threshold([], 3)
    with pytest.raises(ValueError, match="empty"):
        area_threshold([np.empty((0, 4))], 3)
    with pytest.raises(ValueError, match="min_area is 0"):
        area_threshold([np.ones((2, 2))], 0)


@given(heatmap_lists(), MIN_AREAS)
def test_the_quiet_level_is_the_lowest_value_at_which_nothing_is_detected(heatmaps, min_area):
    for heatmap in heatmaps:
        level, values = quiet_level(heatmap, min_area), np.unique(heatmap)
        assert level in values or heatmap.size < min_area
        assert [bool(detect(heatmap, float(t), min_area).any()) for t in values] == (values < level).tolist()


@given(arrays(np.float32, st.tuples(st.integers(9, 30), st.integers(9, 30)), elements=st.floats(0, 1, width=32)))
def test_one_search_for_several_areas_gives_the_levels_of_separate_searches(heatmap):
    areas = [20, 1, 81, 3, 3]
    assert [quiet_level(heatmap, area) for area in areas] == quiet_levels(heatmap, areas)


def test_a_heatmap_smaller_than_min_area_is_quiet_at_any_threshold():
    assert quiet_level(np.ones((2, 2), np.float32), 5) == -math.inf
    assert quiet_levels(np.ones((2, 2), np.float32), [5, 4, 1, 9]) == [-math.inf, 1, 1, -math.inf]
    with pytest.raises(ValueError, match="min_area is 0"):
        quiet_level(np.ones((2, 2), np.float32), 0)
    with pytest.raises(ValueError, match="NaN"):
        quiet_level(np.full((2, 2), np.nan, np.float32), 1)
