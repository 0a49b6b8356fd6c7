"""Tiles: an image is put together from them without seams."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_lab.scoring.tiles import reconstruct, starts


def random_maps(batch: int, height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(batch, height, width, generator=torch.Generator().manual_seed(height * 1000 + width), dtype=dtype)


@settings(max_examples=60)
@given(height=st.integers(1, 300), width=st.integers(1, 300), tile=st.integers(8, 128), batch=st.sampled_from([1, 1, 1, 2, 5]))
def test_tiles_of_the_identity_give_the_input(height: int, width: int, tile: int, batch: int) -> None:
    """For any size. The network gets only squares of the tile's side, and not too many at once."""
    X = random_maps(3 * batch, height, width, torch.float32).view(batch, 3, height, width)
    before = X.clone()
    shapes: list[torch.Size] = []

    def identity(tiles: Tensor) -> Tensor:
        shapes.append(tiles.shape)
        return tiles.clone()

    assert torch.allclose(reconstruct(identity, X, tile), X, atol=1e-6)
    assert torch.equal(X, before)
    assert all(shape[1:] == (3, tile, tile) for shape in shapes)
    assert all(shape[0] <= max(16, batch) for shape in shapes)


@settings(max_examples=25)
@given(height=st.integers(1, 300), width=st.integers(1, 300), tile=st.integers(8, 128))
def test_tiles_of_a_constant_leave_no_seam(height: int, width: int, tile: int) -> None:
    output = reconstruct(lambda tiles: torch.full_like(tiles, 0.37), torch.rand(1, 3, height, width), tile)
    assert torch.allclose(output, torch.full((1, 3, height, width), 0.37), atol=1e-6)


def test_tiles_that_disagree_are_blended_smoothly() -> None:
    """A network with a different constant in each tile: neighbouring pixels differ by little."""
    calls = iter(range(1000))

    def drifting(tiles: Tensor) -> Tensor:
        return torch.stack([torch.full_like(t, float(next(calls) % 2)) for t in tiles])

    output = reconstruct(drifting, torch.zeros(1, 3, 32, 400), tile=32)
    assert output.max() > 0.99
    assert output.min() < 0.01
    assert output.diff(dim=-1).abs().max() < 0.5  # tiles overlap by 8 pixels


def test_each_image_of_a_batch_is_put_together_from_its_own_tiles() -> None:
    """A nonlinear network that works on single pixels gives the same result with and without tiles."""
    X = torch.rand(3, 3, 70, 90)
    together = reconstruct(torch.square, X, 32)
    assert torch.allclose(together, X.square(), atol=1e-6)


def test_a_tile_shows_the_pixels_at_its_place() -> None:
    """A network that uses neighbouring pixels gives the result of the whole image, except at the borders of tiles."""
    X = torch.rand(1, 3, 64, 64)

    def right_neighbour(tiles: Tensor) -> Tensor:
        return tiles.roll(-1, -1)

    output = reconstruct(right_neighbour, X, 48)  # tiles begin at 0 and 16
    assert torch.allclose(output[..., :16], X[..., 1:17], atol=1e-6)


@pytest.mark.parametrize("tile", [0, 40])
def test_the_network_gets_a_whole_image_once_and_unchanged(tile: int) -> None:
    X = torch.rand(2, 3, 40, 40) if tile else torch.rand(2, 3, 33, 57)
    seen: list[Tensor] = []

    def network(image: Tensor) -> Tensor:
        seen.append(image)
        return image + 1

    assert torch.equal(reconstruct(network, X, tile), X + 1)
    assert len(seen) == 1
    assert seen[0] is X


def test_an_image_smaller_than_a_tile_is_enlarged_by_reflection() -> None:
    X = torch.rand(1, 3, 5, 40)
    seen: list[Tensor] = []

    def network(tiles: Tensor) -> Tensor:
        seen.append(tiles)
        return tiles

    reconstruct(network, X, 32)
    tiles = torch.cat(seen)
    expected = np.pad(X.numpy(), ((0, 0), (0, 0), (0, 27), (0, 0)), mode="symmetric")
    assert np.array_equal(tiles[:1].numpy(), expected[..., :32])
    assert np.array_equal(tiles[-1:].numpy(), expected[..., 8:])


@given(side=st.integers(1, 2000), tile=st.integers(8, 200))
def test_tiles_cover_every_pixel_and_share_a_quarter(side: int, tile: int) -> None:
    found = starts(side, tile)
    assert found[0] == 0
    if side <= tile:
        assert found == [0]
        return
    assert found[-1] == side - tile
    steps = np.diff(found)
    assert (steps > 0).all()
    assert (tile - steps >= tile // 4).all()
    assert len(found) - 1 < (side - tile) / (tile - tile // 4) + 1, "more tiles than are needed"
