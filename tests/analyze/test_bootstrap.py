"""Intervals: their ends, their coverage, and what is no measurement."""

import numpy as np
import pytest

from anomaly_lab.analyze.bootstrap import interval


def test_the_ends_are_those_of_the_normal_distribution_for_many_values() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = interval(list(values))
    half = 1.96 * values.std() / 20
    assert found.n == 400 and found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


@pytest.mark.parametrize(("n", "expected"), [(4, 0.80), (8, 0.89), (20, 0.93)])
def test_the_coverage_is_what_the_docstring_says(n: int, expected: float) -> None:
    drawn = np.random.default_rng(1).standard_normal((800, n))
    found = [interval(list(values)) for values in drawn]
    assert np.mean([f.low <= 0 <= f.high for f in found]) == pytest.approx(expected, abs=0.04)


def test_few_values_have_no_interval_and_nan_counts_as_none() -> None:
    assert interval([]) == interval([float("nan")]) == (None, None, None, 0)
    assert interval([2.0, float("nan"), float("inf")]) == (2.0, None, None, 1)
    assert interval([2.0, 2.0]) == (2.0, 2.0, 2.0, 2)
