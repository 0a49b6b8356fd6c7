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


def test_with_ties_and_unknown_values_it_is_scipy_s_tau_b() -> None:
    for a, b in (([1.0, 2, 3], [5.0, 5, 6]), ([0.0] * 8 + [0.1], [*range(9, 0, -1)]), ([1, 1, 2, 2, 3], [1, 2, 2, 3, 3])):
        assert tau.tau(np.array(a), np.array(b, float)) == pytest.approx(kendalltau(a, b).statistic)
    assert tau.tau(np.array([1.0, 2, np.nan]), np.array([2.0, 1, 9])) == -1
    assert tau.tau(np.array([1.0, 2, 3]), np.array([2.0, 1, np.nan])) == -1
    assert tau.tau(np.ones(3), np.arange(3.0)) is None
    found = tau.within(np.array([1.0, 2, 3]), np.array([5.0, 5, 6]))
    assert found.pairs == 2 and found.value == pytest.approx(2 / 6**0.5)


def test_the_interval_of_a_perfect_ranking_is_a_point_and_of_noise_contains_0() -> None:
    order = np.arange(10.0)
    assert tau.within(order, order**2)[:3] == (1, 1, 1)
    noise = tau.within(RNG.standard_normal(10), order)
    assert noise.low is not None and noise.high is not None and noise.low < 0 < noise.high


def test_draws_count_copies_of_a_run_as_no_pair() -> None:
    """Drawn by hand: run 0 twice, run 1 once, run 2 never: two pairs (0, 1), which agree."""
    a, b = np.array([1.0, 2, 3]), np.array([1.0, 2, 0])
    assert tau._tau_of_draws(tau.pairs(a, b), np.array([[2.0, 1, 0], [1, 0, 1], [3, 0, 0]])).tolist() == pytest.approx(
        [1, -1, np.nan], nan_ok=True
    )


def test_pooled_is_the_mean_of_the_sets() -> None:
    up, down = np.arange(5.0), -np.arange(5.0)
    assert tau.pooled([up, up, down], [up, up, up]).value == pytest.approx(1 / 3)
    assert tau.pooled([up, np.ones(5)], [up, up]).value == 1, "a set without a pair says nothing"
    assert tau.pooled([np.ones(5)], [up]) == (None, None, None, 0)
    found = tau.pooled([up, up, down], [up, up, up])
    assert found.low == -1 and found.high == 1 and found.pairs == 30


def test_the_limit_grows_with_the_number_of_useless_quantities() -> None:
    def level(count: int, sets: int) -> float:
        rng = np.random.default_rng(1)
        found = tau.chance(
            [rng.standard_normal((count, 10)) for _ in range(sets)], [rng.standard_normal(10) for _ in range(sets)]
        )
        return float(found.limit.mean())

    one = level(1, 1)
    assert one == pytest.approx(1.96 * (2 * 25 / (9 * 90)) ** 0.5, abs=0.06), "Kendall's own variance 2(2n + 5) / 9n(n − 1)"
    assert level(30, 1) > one and level(1, 6) == pytest.approx(one / 6**0.5, abs=0.05)


def test_copies_of_one_quantity_are_no_further_chance() -> None:
    rng = np.random.default_rng(2)
    own, truth = rng.standard_normal((1, 10)), rng.standard_normal(10)
    assert tau.chance([np.repeat(own, 20, 0)], [truth]).p.tolist() == [*tau.chance([own], [truth]).p] * 20


def test_a_quantity_with_many_ties_does_not_set_the_limit_of_the_others() -> None:
    """The p-value of a good one is hardly changed by one that is the same for nearly all runs."""
    rng = np.random.default_rng(3)
    truths = [np.arange(9.0) for _ in range(6)]
    good = [np.argsort(np.argsort(t + 3 * rng.standard_normal(9))).astype(float) for t in truths]
    tied = [np.eye(9)[rng.integers(9)] for _ in truths]
    alone = tau.chance([g[None] for g in good], truths)
    both = tau.chance([np.stack(pair) for pair in zip(good, tied, strict=True)], truths)
    assert both.p[0] < 2.5 * alone.p[0] + 0.002 and both.limit[0] < 1.3 * alone.limit[0]


def test_p_is_small_in_one_case_of_twenty_where_nothing_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tau, "DRAWS", 200)
    rng, found = np.random.default_rng(4), []
    for _ in range(60):
        own, truths = rng.standard_normal((2, 5, 9)), rng.standard_normal((2, 9))
        found.append(float(tau.chance(list(own), list(truths)).p.min()))
    assert sum(p <= 0.05 for p in found) <= 8 and min(found) >= 1 / 101 and max(found) > 0.5


def test_a_constant_quantity_has_no_p() -> None:
    found = tau.chance([np.stack([np.ones(9), np.arange(9.0)])], [np.arange(9.0)])
    assert np.isnan(found.p[0]) and found.p[1] < 0.01
