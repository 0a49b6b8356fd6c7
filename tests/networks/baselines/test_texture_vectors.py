"""Texture vectors: each is the projection of its patch, on each level."""

import pytest
import torch
from torch.nn import functional

from anomaly_lab.networks.baselines.texture_vectors import TextureVectors


def test_a_vector_is_the_projection_of_its_patch() -> None:
    network, X = TextureVectors(5, 6, 2, 8, 0), torch.rand(1, 3, 64, 48)
    found, A = network.encode(X), network.directions.flatten(1)
    torch.testing.assert_close(A @ A.T, torch.eye(6), rtol=0, atol=1e-5)
    assert found.shape == (1, 12, 8, 6)
    for row, column in ((1, 2), (4, 3)):
        y, x = 8 * row + 4, 8 * column + 4
        torch.testing.assert_close(found[0, :6, row, column], A @ X[0, :, y - 2 : y + 3, x - 2 : x + 3].flatten())
        half, y, x = functional.avg_pool2d(X, 2), 4 * row + 2, 4 * column + 2
        torch.testing.assert_close(found[0, 6:, row, column], A @ half[0, :, y - 2 : y + 3, x - 2 : x + 3].flatten())


@pytest.mark.parametrize("size", [(32, 40), (33, 47), (3, 9)])
def test_any_size(size: tuple[int, int]) -> None:
    found = TextureVectors(7, 4, 3, 4, 0)(torch.rand(2, 3, *size))
    assert found.shape == (2, 12, -(-size[0] // 4), -(-size[1] // 4))


def test_nothing_is_trained_and_the_seed_decides() -> None:
    a, b, c = (TextureVectors(7, 4, 1, 4, seed) for seed in (0, 0, 1))
    assert not any(p.requires_grad for p in a.parameters())
    assert torch.equal(a.directions, b.directions) and not torch.equal(a.directions, c.directions)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="patch 4 must be odd"):
        TextureVectors(4, 4, 1, 4, 0)
    with pytest.raises(ValueError, match="stride 6 a multiple"):
        TextureVectors(5, 4, 3, 6, 0)
