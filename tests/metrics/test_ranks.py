"""Ranks, Friedman's test and Nemenyi's critical difference, against scipy and Demšar's printed values."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from anomaly_lab.metrics.ranks import cliques, critical_difference, friedman, ranks


def test_ranks_by_hand() -> None:
    """The highest value has rank 1; equal values share the mean of their ranks."""
    assert ranks([[0.9, 0.5, 0.7], [0.5, 0.8, 0.5]]).tolist() == [[1, 3, 2], [2.5, 1, 2.5]]


@pytest.mark.parametrize("rounded", [False, True], ids=["no_ties", "ties"])
def test_friedman_is_scipys(rounded: bool) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(9, 5)) + np.arange(5) * 0.5
    table = table.round(0) if rounded else table
    expected = friedmanchisquare(*table.T)
    assert friedman(table) == pytest.approx((expected.statistic, expected.pvalue))


def test_critical_differences_are_those_that_demsar_prints() -> None:
    """Table 5a: q at .05 for 2 to 10 methods; and the text's example, 2.569 · √(4 · 5 / (6 · 14)) = 1.25."""
    for k, q in zip(range(2, 11), (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164), strict=True):
        assert critical_difference(k, 1, 0.05) / np.sqrt(k * (k + 1) / 6) == pytest.approx(q, abs=2e-3)
    assert critical_difference(4, 14, 0.05) == pytest.approx(1.25, abs=5e-3)


def test_cliques_are_the_largest_groups_that_do_not_differ() -> None:
    assert cliques([3.1, 1.0, 2.0, 3.9], 1.2) == [(1, 2), (2, 0), (0, 3)]
    assert cliques([1.0, 1.5, 1.8], 1.0) == [(0, 1, 2)]
    assert cliques([1.0, 3.0], 1.0) == []


def test_equal_methods_do_not_differ() -> None:
    assert friedman([[1.0, 1.0], [2.0, 2.0]]) == (0.0, 1.0)


def test_a_missing_value_or_a_single_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="a number for each"):
        ranks([[1.0, float("nan")]])
    with pytest.raises(ValueError, match="not 2 on 1"):
        friedman([[1.0, 2.0]])
