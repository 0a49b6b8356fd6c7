"""The rules for the threshold: their order statistics by hand, and the promise of α over many draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from anomaly_lab.build import build
from anomaly_lab.calibration.rules import (
    area,
    areas_around,
    conformal,
    images_needed,
    p_value,
    promised,
    quantile,
    rate,
    tolerance,
)

LEVELS = arrays(np.float64, st.integers(1, 30), elements=st.integers(0, 12))


def test_by_hand():
    levels = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0, 6.0, 8.0]  # 1 … 9
    assert area(levels) == 9
    assert [quantile(levels, q) for q in (1e-6, 1 / 9, 0.12, 0.5, 8 / 9, 0.95, 1)] == [1, 1, 2, 5, 8, 9, 9]
    assert [conformal(levels, a) for a in (0.1, 0.15, 0.2, 0.3, 0.55, 0.9)] == [9, 9, 8, 7, 5, 1]
    assert p_value([10, 9, 8.5, 5, 0], levels).tolist() == [0.1, 0.2, 0.2, 0.6, 1.0]
    assert [rate(levels, a) for a in (0.001, 0.05, 0.1, 0.2, 0.9)] == [9, 9, 9, 8, 1], "nine images cannot promise less than .1"
    assert [promised(t, levels) for t in (10, 9, 8.5, 8, 1, 0)] == [0.1, 0.1, 0.2, 0.2, 0.9, 1]
    assert areas_around(100) == [25, 50, 100, 200, 400]
    assert areas_around(1) == [1, 2, 4]


@given(LEVELS, st.floats(0.001, 1))
def test_the_quantile_is_the_lowest_level_with_its_share_of_normal_images_undetected(levels, q):
    threshold = quantile(levels, q)
    assert threshold in levels
    assert (levels <= threshold).mean() >= q - 1e-9
    assert (levels < threshold).mean() < q


@given(LEVELS, st.floats(0.01, 0.99), st.integers(-1, 13))
def test_conformal_detects_exactly_where_the_p_value_is_at_most_alpha(levels, alpha, level):
    if alpha < 1 / (levels.size + 1):
        with pytest.raises(ValueError, match=rf"1/{levels.size + 1} = .* and {math.ceil(1 / alpha) - 1} of them are needed"):
            conformal(levels, alpha)
        return
    assert (level > conformal(levels, alpha)) == (p_value(level, levels) <= alpha)


@given(LEVELS, st.floats(0.01, 0.99))
def test_the_rate_promises_alpha_or_the_best_that_the_images_can(levels, alpha):
    threshold = rate(levels, alpha)
    assert promised(threshold, levels) <= max(alpha, 1 / (levels.size + 1)) + 1e-9
    assert threshold == (area(levels) if alpha * (levels.size + 1) < 1 else conformal(levels, alpha))


def test_the_images_that_a_promise_needs():
    """299 for 1 % with confidence .95: (1 − .01)^299 = .0495."""
    assert [images_needed(a) for a in (0.1, 0.05, 0.01)] == [9, 19, 99]
    assert [images_needed(a, 0.95) for a in (0.1, 0.05, 0.01)] == [29, 59, 299]
    with pytest.raises(ValueError, match=r"29 normal images promise it with confidence 0.95, not 28"):
        tolerance(np.arange(28.0), 0.1, 0.95)
    assert tolerance(np.arange(1, 30.0), 0.1, 0.95) == 29


@pytest.mark.parametrize(("n", "alpha", "confidence"), [(29, 0.1, 0.95), (60, 0.1, 0.95), (100, 0.2, 0.9), (300, 0.01, 0.95)])
def test_the_tolerance_is_kept_in_the_stated_share_of_draws(n, alpha, confidence):
    """And by no lower level: in the draws the share of false alarms of the level below is too high more often."""
    rng = np.random.default_rng(0)
    draws = np.sort(rng.random((4000, n)))
    place = int(np.searchsorted(draws[0], tolerance(draws[0], alpha, confidence)))
    assert (1 - draws[:, place] <= alpha).mean() >= confidence - 0.012
    assert (1 - draws[:, place - 1] <= alpha).mean() < confidence + 0.012


@pytest.mark.parametrize("n", [4, 9, 19, 99, 199])
def test_the_smallest_alpha_is_one_in_n_plus_one_and_gives_the_paper_s_rule(n):
    levels = np.random.default_rng(n).random(n)
    assert conformal(levels, 1 / (n + 1)) == area(levels)
    with pytest.raises(ValueError, match=f"{n + 1} of them are needed"):
        conformal(levels, 1 / (n + 1.5))


@pytest.mark.parametrize(("n", "alpha"), [(9, 0.1), (9, 0.25), (30, 0.05), (60, 0.2)])
@pytest.mark.parametrize("ties", [False, True], ids=["continuous", "tied"])
def test_conformal_keeps_its_rate_of_false_alarms_over_draws(n, alpha, ties):
    """The rate of false alarms over 20,000 draws of the held-out images is at most α. Without ties it is ⌊α (n + 1)⌋ / (n + 1).

    The scores are skewed, and the images of a draw share a shift: they are dependent, but exchangeable.
    """
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


def test_the_rate_of_one_draw_has_the_predicted_distribution():
    """The guarantee is over draws. The rate of a single draw has a beta distribution, here with a quarter above 0.13."""
    n, alpha = 19, 0.1
    rng = np.random.default_rng(0)
    rates = np.array([1 - conformal(rng.random(n), alpha) for _ in range(5000)])  # uniform levels: the rate is 1 − threshold
    k = math.floor(alpha * (n + 1) + 1e-9)
    assert rates.mean() == pytest.approx(alpha, abs=0.005)
    assert np.quantile(rates, 0.75) == pytest.approx(beta(k, n + 1 - k).ppf(0.75), abs=0.01)


def test_a_biased_rule_would_be_noticed():
    """The plain quantile has no guarantee: with 9 images and q = ¾ its rate is 3 in 10, not 1 in 4."""
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
        (lambda x: rate(x, 0), [1.0], "alpha is 0"),
        (lambda x: tolerance(x, 0.5, 1), [1.0], "confidence is 1"),
        (lambda x: tolerance(x, 0, 0.5), [1.0], "alpha is 0"),
        (lambda x: rate(x, None), [1.0], "alpha is None"),
        (area, [], "0 levels"),
        (area, [math.nan, 1.0], "2 levels, 1 of them NaN"),
    ],
)
def test_an_invalid_argument_is_refused(rule, levels, said):
    with pytest.raises(ValueError, match=said):
        rule(levels)


def test_a_rule_is_a_record_that_a_checkpoint_can_hold():
    assert build({"_target_": "anomaly_lab.calibration.rules.area", "name": "area"})([1.0, 3.0]) == 3
    assert build({"_target_": "anomaly_lab.calibration.rules.quantile", "name": "quantile", "q": 0.5})([1.0, 3.0]) == 1
