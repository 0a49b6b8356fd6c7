"""Are methods different? Ranks over data sets, Friedman's test, and Nemenyi's critical difference.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006. A table is (n, k): n data sets, k methods,
higher values are better. Rank 1 is the best; equal values share the mean of their ranks.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ranks(table: ArrayLike) -> NDArray[np.float64]:
    """The rank of each method on each data set, (n, k), from 1 for the highest value. ValueError for a missing value."""
    values = np.asarray(table, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError("ranks need a number for each method on each data set")
    from scipy.stats import rankdata

    return np.asarray(rankdata(-values, axis=1), np.float64)


def friedman(table: ArrayLike) -> tuple[float, float]:
    """Friedman's χ², corrected for ties, and its p-value: of mean ranks so different if all methods were equal.

    χ² = 12 / (n k (k+1)) · Σ_j (R_j − n (k+1)/2)² / (1 − T / (n (k³ − k))), with R_j the sum of a method's ranks and T the sum
    of t³ − t over groups of t equal values. (0, 1) if all values of each data set are equal. ValueError below 2 data sets or
    methods.
    """
    found = ranks(table)
    n, k = found.shape
    if n < 2 or k < 2:
        raise ValueError(f"Friedman's test compares at least 2 methods on at least 2 data sets, not {k} on {n}")
    ties = sum(count**3 - count for row in found for count in np.unique(row, return_counts=True)[1])
    spread = 1 - ties / (n * (k**3 - k))
    if spread <= 0:
        return 0.0, 1.0
    from scipy.stats import chi2

    squares = np.square(found.sum(0) - n * (k + 1) / 2).sum()
    statistic = 12 / (n * k * (k + 1)) * squares / spread
    return float(statistic), float(chi2.sf(statistic, k - 1))


def critical_difference(methods: int, data_sets: int, alpha: float) -> float:
    """Nemenyi's: mean ranks that differ by more differ significantly at the level `alpha`. q √(k (k+1) / (6 n)).

    q is the upper quantile of the studentised range of k means with infinite degrees of freedom, divided by √2.
    """
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - alpha, methods, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * data_sets)))


def cliques(mean_ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """The largest groups of methods, as indices by rank, whose mean ranks lie within `difference`: Demšar's bars."""
    order = sorted(range(len(mean_ranks)), key=lambda i: mean_ranks[i])
    found: list[tuple[int, ...]] = []
    end = 0
    for start in range(len(order)):
        last = max(j for j in range(start, len(order)) if mean_ranks[order[j]] - mean_ranks[order[start]] <= difference)
        if last + 1 > end and last > start:
            found.append(tuple(order[start : last + 1]))
        end = max(end, last + 1)
    return found
