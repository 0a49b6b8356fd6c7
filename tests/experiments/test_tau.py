"""Kendall's τ of the projection study: against scipy, its intervals, and the level of chance."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments" / "projection"))
import tau

RNG = np.random.default_rng(0)


def test_without_ties_it_is_scipy_s() -> None:
    for n in (3, 8, 20):
        a, b = RNG.standard_normal((2, n))
        assert tau.tau(a, b) == pytest.approx(kendalltau(a, b).statistic)


def test_ties_and_unknown_values_count_in_no_pair() -> None:
    assert tau.tau(np.array([1.0, 2, 3]), np.array([5.0, 5, 6])) == 1
    assert tau.tau(np.array([1.0, 2, np.nan]), np.array([2.0, 1, 9])) == -1
    assert tau.tau(np.ones(3), np.arange(3.0)) is None
    found = tau.within(np.array([1.0, 2, 3]), np.array([5.0, 5, 6]))
    assert found.pairs == 2 and found.value == 1


def test_the_interval_of_a_perfect_ranking_is_a_point_and_of_noise_contains_0() -> None:
    order = np.arange(10.0)
    assert tau.within(order, order**2)[:3] == (1, 1, 1)
    noise = tau.within(RNG.standard_normal(10), order)
    assert noise.low is not None and noise.high is not None and noise.low < 0 < noise.high


def test_draws_count_copies_of_a_run_as_no_pair() -> None:
    """Drawn by hand: run 0 twice, run 1 once, run 2 never: two pairs (0, 1), which agree."""
    a, b = np.array([1.0, 2, 3]), np.array([1.0, 2, 0])
    agree = tau.signs(a) * tau.signs(b)
    assert tau._tau_of_draws(agree, np.array([[2.0, 1, 0], [1, 0, 1], [3, 0, 0]])).tolist() == pytest.approx(
        [1, -1, np.nan], nan_ok=True
    )


def test_pooled_is_the_mean_of_the_sets() -> None:
    up, down = np.arange(5.0), -np.arange(5.0)
    assert tau.pooled([up, up, down], [up, up, up]).value == pytest.approx(1 / 3)
    assert tau.pooled([up, np.ones(5)], [up, up]).value == 1, "a set without a pair says nothing"
    assert tau.pooled([np.ones(5)], [up]) == (None, None, None, 0)
    found = tau.pooled([up, up, down], [up, up, up])
    assert found.low == -1 and found.high == 1 and found.pairs == 30


def test_chance_grows_with_the_number_of_useless_quantities() -> None:
    def level(count: int, sets: int) -> float:
        rng = np.random.default_rng(1)
        return tau.chance(
            [rng.standard_normal((count, 10)) for _ in range(sets)], [rng.standard_normal(10) for _ in range(sets)]
        )

    one = level(1, 1)
    assert one == pytest.approx(1.96 * (2 * 25 / (9 * 90)) ** 0.5, abs=0.06), "Kendall's own variance 2(2n + 5) / 9n(n − 1)"
    assert level(30, 1) > one and level(1, 6) == pytest.approx(one / 6**0.5, abs=0.05)


def test_copies_of_one_quantity_are_no_further_chance() -> None:
    rng = np.random.default_rng(2)
    own, truth = rng.standard_normal((1, 10)), rng.standard_normal(10)
    assert tau.chance([np.repeat(own, 20, 0)], [truth]) == tau.chance([own], [truth])
