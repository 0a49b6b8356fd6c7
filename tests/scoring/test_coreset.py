"""Nearest neighbours and coresets against scikit-learn and brute force."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from anomaly_lab.scoring import coreset
from anomaly_lab.scoring.coreset import greedy_coreset, k_means, nearest, random_subset


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 12), st.sampled_from([0.0, 1.0, 100.0]), st.integers(0, 9))
@example(1, 34, 1, 100.0, 2)  # two vectors of the bank have the distances .02 and .001
def test_neighbours_are_those_of_scikit_learn(n: int, m: int, channels: int, offset: float, seed: int) -> None:
    """Also far from the origin, where |x|² + |b|² − 2 x·b rounds small distances away."""
    rng = np.random.default_rng(seed)
    x, bank = (rng.normal(offset, 1, (rows, channels)).astype(np.float32) for rows in (n, m))
    expected = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank.astype(np.float64)).kneighbors(x.astype(np.float64))
    distance, index = nearest(torch.from_numpy(x), torch.from_numpy(bank))
    np.testing.assert_allclose(distance.numpy(), expected[0][:, 0], rtol=1e-4, atol=1e-4)
    chosen = np.linalg.norm(x.astype(np.float64) - bank[index.numpy()], axis=1)
    np.testing.assert_allclose(distance.numpy(), chosen, rtol=1e-5, atol=1e-5)


def test_blocks_change_nothing_and_vectors_of_the_bank_have_distance_0(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = torch.randn(50, 7, generator=seeded())
    x = torch.cat([bank[10:20], torch.randn(33, 7, generator=seeded(1))])
    whole = nearest(x, bank)
    monkeypatch.setattr(coreset, "CHUNK", 4 * 50)
    parts = nearest(x, bank)
    assert torch.equal(whole[1], parts[1])
    torch.testing.assert_close(whole[0], parts[0])
    assert torch.equal(whole[0][:10], torch.zeros(10))
    assert torch.equal(whole[1][:10], torch.arange(10, 20))


def radius(vectors: Tensor, chosen: Tensor) -> float:
    """The largest distance from a vector to its nearest chosen one."""
    return float(torch.cdist(vectors, chosen).amin(1).max())


@pytest.mark.parametrize("reduce", [random_subset, greedy_coreset, k_means])
def test_reductions_keep_to_the_size_and_repeat_with_the_seed(reduce: Callable[..., Tensor]) -> None:
    vectors = torch.randn(80, 5, generator=seeded())
    found = reduce(vectors, 12, seeded(3))
    assert found.shape == (12, 5)
    assert torch.equal(found, reduce(vectors, 12, seeded(3)))
    assert not torch.equal(found, reduce(vectors, 12, seeded(4)))
    assert len(reduce(vectors, 500, seeded())) == 80, "there are only 80"


def test_the_coreset_is_the_greedy_one() -> None:
    """By brute force: each vector after the first is the farthest from all before it."""
    vectors = torch.randn(60, 4, generator=seeded(), dtype=torch.float64)
    found = greedy_coreset(vectors, 20, seeded(1))
    for i in range(1, 20):
        distances = torch.cdist(vectors, found[:i]).amin(1)
        assert torch.equal(found[i], vectors[distances.argmax()])


def test_the_coreset_reaches_a_rare_vector_that_chance_misses() -> None:
    vectors = torch.cat([torch.randn(2000, 3, generator=seeded()), torch.full((1, 3), 50.0)])
    assert radius(vectors, greedy_coreset(vectors, 10, seeded())) < 10
    assert radius(vectors, random_subset(vectors, 10, seeded())) > 50


def test_a_coreset_of_copies_has_its_size() -> None:
    assert greedy_coreset(torch.ones(10, 3), 4, seeded()).shape == (4, 3)


def test_k_means_finds_the_centres_of_clusters() -> None:
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    vectors = torch.cat([m + 0.1 * torch.randn(40, 2, generator=seeded(i)) for i, m in enumerate(middles)])
    best = min((k_means(vectors, 3, seeded(s)) for s in range(8)), key=lambda found: radius(vectors, found))
    assert radius(middles, best) < 0.1


def test_progress_is_reported() -> None:
    told: list[tuple[int, int]] = []
    greedy_coreset(torch.randn(300, 2), 250, seeded(), lambda done, total: told.append((done, total)))
    assert told == [(100, 250), (200, 250)]
    told.clear()
    k_means(torch.randn(30, 2), 5, seeded(), lambda done, total: told.append((done, total)))
    assert told[-1] == (coreset.ITERATIONS, coreset.ITERATIONS)
