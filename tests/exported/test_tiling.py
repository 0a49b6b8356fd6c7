"""All tiles at once give what `scoring.tiles` gives tile by tile."""

import pytest
import torch
from torch import Tensor

from anomaly_lab.exported import tiling
from anomaly_lab.scoring import tiles


def network(X: Tensor) -> Tensor:
    """It tells tiles apart: each pixel gets its place in the tile, and the tile's mean."""
    rows, columns = torch.arange(X.shape[-2]), torch.arange(X.shape[-1])
    return X + 0.01 * rows[:, None] * columns + X.mean((1, 2, 3), keepdim=True)


@pytest.mark.parametrize("size", [(16, 16), (16, 24), (40, 33), (9, 50), (7, 5), (64, 17)])
@pytest.mark.parametrize("tile", [0, 16])
def test_the_tiles_and_their_blend_are_the_same(size: tuple[int, int], tile: int) -> None:
    X = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tiling.reconstruct(network, X, tile), tiles.reconstruct(network, X, tile), atol=2e-6, rtol=0)


def test_tiles_begin_where_those_of_the_run_begin() -> None:
    for tile in (8, 16, 50):
        for side in range(tile, 6 * tile):
            assert tiling.first_pixels(side, tile).tolist() == tiles.starts(side, tile), (side, tile)
