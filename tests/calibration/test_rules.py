"""The rules for the threshold: their order statistics by hand, their coherence with what is detected, the promise of α."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from anomaly_lab.build import build
from anomaly_lab.calibration.levels import detect, quiet_level, quiet_levels
from anomaly_lab.calibration.rules import area, areas_around, conformal, p_value, quantile
from anomaly_lab.metrics.curves import operating_point

unhurried = settings(deadline=None)  # the machine is shared: a slow example is no failure
HEATMAPS = st.lists(
    arrays(np.float32, st.tuples(st.integers(2, 8), st.integers(2, 8)), elements=st.integers(0, 9)), min_size=1, max_size=5
)
LEVELS = arrays(np.float64, st.integers(1, 30), elements=st.integers(0, 12))


@unhurried
@given(HEATMAPS, st.integers(1, 4))
def test_the_quiet_level_is_the_lowest_value_at_which_nothing_is_detected(heatmaps, min_area):
    for heatmap in heatmaps:
        level = quiet_level(heatmap, min_area)
        values = np.unique(heatmap)
        assert level in values
        assert [bool(detect(heatmap, float(t), min_area).any()) for t in values] == (values < level).tolist()


@unhurried
@given(arrays(np.float32, st.tuples(st.integers(9, 30), st.integers(9, 30)), elements=st.floats(0, 1, width=32)))
def test_one_search_for_several_areas_finds_what_one_for_each_finds(heatmap):
    areas = [20, 1, 81, 3, 3]
    assert [quiet_level(heatmap, area) for area in areas] == quiet_levels(heatmap, areas)


def test_an_image_smaller_than_min_area_is_quiet_at_any_threshold():
    assert quiet_level(np.ones((2, 2), np.float32), 5) == -math.inf
    assert quiet_levels(np.ones((2, 2), np.float32), [5, 4, 1, 9]) == [-math.inf, 1, 1, -math.inf]
    with pytest.raises(ValueError, match="min_area is 0"):
        quiet_level(np.ones((2, 2), np.float32), 0)
    with pytest.raises(ValueError, match="NaN"):
        quiet_level(np.full((2, 2), np.nan, np.float32), 1)


def test_by_hand():
    levels = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0, 6.0, 8.0]  # 1 … 9
    assert area(levels) == 9
    assert [quantile(levels, q) for q in (1e-6, 1 / 9, 0.12, 0.5, 8 / 9, 0.95, 1)] == [1, 1, 2, 5, 8, 9, 9]
    assert [conformal(levels, a) for a in (0.1, 0.15, 0.2, 0.3, 0.55, 0.9)] == [9, 9, 8, 7, 5, 1]
    assert p_value([10, 9, 8.5, 5, 0], levels).tolist() == [0.1, 0.2, 0.2, 0.6, 1.0]
    assert areas_around(100) == [25, 50, 100, 200, 400]
    assert areas_around(1) == [1, 2, 4]


@unhurried
@given(LEVELS, st.floats(0.001, 1))
def test_the_quantile_leaves_its_share_of_the_normal_images_undetected_and_no_lower_one_does(levels, q):
    threshold = quantile(levels, q)
    assert threshold in levels
    assert (levels <= threshold).mean() >= q - 1e-9
    assert (levels < threshold).mean() < q


@unhurried
@given(LEVELS, st.floats(0.01, 0.99), st.integers(-1, 13))
def test_conformal_detects_exactly_where_the_p_value_is_at_most_alpha(levels, alpha, level):
    if alpha < 1 / (levels.size + 1):
        with pytest.raises(ValueError, match=rf"1/{levels.size + 1} = .* and {math.ceil(1 / alpha) - 1} of them are needed"):
            conformal(levels, alpha)
        return
    assert (level > conformal(levels, alpha)) == (p_value(level, levels) <= alpha)


@pytest.mark.parametrize("n", [4, 9, 19, 99, 199])
def test_the_smallest_alpha_is_one_in_n_plus_one_and_gives_the_paper_s_rule(n):
    levels = np.random.default_rng(n).random(n)
    assert conformal(levels, 1 / (n + 1)) == area(levels)
    with pytest.raises(ValueError, match=f"{n + 1} of them are needed"):
        conformal(levels, 1 / (n + 1.5))


@pytest.mark.parametrize(("n", "alpha"), [(9, 0.1), (9, 0.25), (30, 0.05), (60, 0.2)])
@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "tied"])
def test_conformal_keeps_its_rate_of_false_alarms_over_draws(n, alpha, ties):
    """The share of new normal images detected, over 20,000 draws of the held-out images: at most α, and without ties exactly
    ⌊α (n + 1)⌋ / (n + 1). The scores are skewed, and the images of a draw share a shift: dependent, but exchangeable."""
    rng = np.random.default_rng(n)
    draws = 20_000
    scores = rng.lognormal(0, 1, (draws, n + 1)) + rng.normal(0, 0.5, (draws, 1))
    if ties:
        scores = np.round(scores)
    alarms = np.array([row[-1] > conformal(row[:-1], alpha) for row in scores]).mean()
    exact = math.floor(alpha * (n + 1) + 1e-9) / (n + 1)
    noise = 4 * math.sqrt(alpha * (1 - alpha) / draws)
    assert alarms <= alpha + noise
    if ties:
        assert alarms < exact
    else:
        assert alarms == pytest.approx(exact, abs=noise)


def test_for_one_draw_the_rate_varies_as_the_theory_says():
    """The guarantee is over draws: for a single one the rate follows a beta distribution, here with a quarter above 0.13."""
    n, alpha = 19, 0.1
    rng = np.random.default_rng(0)
    rates = np.array([1 - conformal(rng.random(n), alpha) for _ in range(5000)])  # uniform: the rate is 1 − threshold
    k = math.floor(alpha * (n + 1) + 1e-9)
    assert rates.mean() == pytest.approx(alpha, abs=0.005)
    assert np.quantile(rates, 0.75) == pytest.approx(beta(k, n + 1 - k).ppf(0.75), abs=0.01)


def test_a_biased_rule_would_be_noticed():
    """The same measure on the plain quantile, which has no guarantee: with 9 images at q = ¾, 3 in 10 and not 1 in 4."""
    draws = np.random.default_rng(1).random((20_000, 10))
    alarms = np.mean([row[-1] > quantile(row[:-1], 0.75) for row in draws])
    noise = 4 * math.sqrt(0.25 * 0.75 / len(draws))
    assert alarms > 0.25 + noise
    assert alarms == pytest.approx(0.3, abs=noise)


@pytest.mark.parametrize(
    ("rule", "levels", "said"),
    [
        (lambda x: quantile(x, 0), [1.0], "q is 0"),
        (lambda x: quantile(x, 1.1), [1.0], "q is 1.1"),
        (lambda x: conformal(x, 0), [1.0], "alpha is 0"),
        (lambda x: conformal(x, 1), [1.0], "alpha is 1"),
        (area, [], "0 levels"),
        (area, [math.nan, 1.0], "2 levels, 1 of them NaN"),
    ],
)
def test_what_makes_no_sense_is_refused(rule, levels, said):
    with pytest.raises(ValueError, match=said):
        rule(levels)


def test_operating_points_by_hand():
    levels, labels = [1, 2, 3, 4, 5], [0, 0, 1, 0, 1]
    by_hand = {"tpr": 1 / 2, "tnr": 2 / 3, "tpr_tnr_mean": 7 / 12, "image_f1": 1 / 2}
    assert operating_point(3, levels, labels) == pytest.approx(by_hand)
    assert operating_point(0, levels, labels)["tnr"] == 0
    assert operating_point(3, [1, 5], [0, 0]) == {"tpr": None, "tnr": 0.5, "tpr_tnr_mean": None, "image_f1": None}


def test_a_rule_is_a_record_that_a_checkpoint_can_hold():
    assert build({"_target_": "anomaly_lab.calibration.rules.area", "name": "area"})([1.0, 3.0]) == 3
    assert build({"_target_": "anomaly_lab.calibration.rules.quantile", "name": "quantile", "q": 0.5})([1.0, 3.0]) == 1
