"""Heatmaps and scores: by hand, against SciPy, and tiles that leave no trace."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from anomaly_lab.scoring.heatmap import ERRORS, POOLINGS, _starts, error_map, image_score, reconstruct, resize_heatmap, smooth

SIDES = st.integers(1, 40)


def random_maps(batch: int, height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(batch, height, width, generator=torch.Generator().manual_seed(height * 1000 + width), dtype=dtype)


def test_error_map_by_hand() -> None:
    """One image of 1 × 2 pixels and three channels."""
    X = torch.tensor([[[[0.0, 0.5]], [[0.2, 0.5]], [[1.0, 0.5]]]])
    output = torch.tensor([[[[0.3, 0.5]], [[0.2, 0.5]], [[0.4, 0.8]]]])
    assert torch.allclose(error_map(X, output), torch.tensor([[[(0.09 + 0 + 0.36) / 3, 0.09 / 3]]]))
    assert torch.allclose(error_map(X, output, "absolute"), torch.tensor([[[(0.3 + 0 + 0.6) / 3, 0.3 / 3]]]))


@pytest.mark.parametrize("error", ERRORS)
def test_error_map_is_symmetric_and_keeps_images_apart(error: str) -> None:
    X, output = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    both = error_map(X, output, error)
    assert both.shape == (2, 4, 5)
    assert torch.equal(both, error_map(output, X, error))
    assert torch.equal(both[1], error_map(X[1:], output[1:], error)[0])


def test_an_unknown_error_is_refused() -> None:
    with pytest.raises(ValueError, match="cubed"):
        error_map(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), "cubed")


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, sigma=st.floats(0.05, 12))
def test_smooth_is_scipys_gaussian_filter(height: int, width: int, sigma: float) -> None:
    """Also where the kernel is wider than the image, and reflects several times."""
    maps = random_maps(2, height, width)
    expected = [ndimage.gaussian_filter(m, sigma, mode="reflect", truncate=4.0) for m in maps.numpy()]
    np.testing.assert_allclose(smooth(maps, sigma).numpy(), np.stack(expected), atol=1e-12)


def test_smooth_in_float32() -> None:
    maps = random_maps(1, 50, 60, torch.float32)
    smoothed = smooth(maps, 4)
    assert smoothed.dtype == torch.float32
    np.testing.assert_allclose(smoothed[0].numpy(), ndimage.gaussian_filter(maps[0].double().numpy(), 4), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(height=SIDES, width=SIDES, sigma=st.floats(0.05, 12))
def test_smooth_keeps_the_mean(height: int, width: int, sigma: float) -> None:
    maps = random_maps(3, height, width)
    assert torch.allclose(smooth(maps, sigma).mean((1, 2)), maps.mean((1, 2)), atol=1e-12)


def test_smooth_of_sigma_0_changes_nothing() -> None:
    maps = random_maps(1, 5, 6)
    assert torch.equal(smooth(maps, 0), maps)


def test_smooth_leaves_its_argument_alone() -> None:
    maps = random_maps(1, 9, 9)
    before = maps.clone()
    smooth(maps, 2.0)
    assert torch.equal(maps, before)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), tile=st.integers(8, 128), batch=st.sampled_from([1, 1, 1, 2, 5]))
def test_tiles_of_the_identity_give_the_input_back(height: int, width: int, tile: int, batch: int) -> None:
    """For any size; the network is handed squares of the tile's side and nothing else, and not too many of them at once."""
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


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), tile=st.integers(8, 128))
def test_tiles_of_a_constant_leave_no_seam(height: int, width: int, tile: int) -> None:
    output = reconstruct(lambda tiles: torch.full_like(tiles, 0.37), torch.rand(1, 3, height, width), tile)
    assert torch.allclose(output, torch.full((1, 3, height, width), 0.37), atol=1e-6)


def test_tiles_that_disagree_are_blended_smoothly() -> None:
    """A network that is wrong by a constant of its own in each tile: no step between neighbouring pixels is a jump."""
    calls = iter(range(1000))

    def drifting(tiles: Tensor) -> Tensor:
        return torch.stack([torch.full_like(t, float(next(calls) % 2)) for t in tiles])

    output = reconstruct(drifting, torch.zeros(1, 3, 32, 400), tile=32)
    assert output.max() > 0.99
    assert output.min() < 0.01
    assert output.diff(dim=-1).abs().max() < 0.5  # the overlap is of 8 pixels


def test_each_image_of_a_batch_is_put_together_from_its_own_tiles() -> None:
    """A nonlinear network without neighbourhood: tiles or not, the result is the same."""
    X = torch.rand(3, 3, 70, 90)
    together = reconstruct(torch.square, X, 32)
    assert torch.allclose(together, X.square(), atol=1e-6)


def test_tiles_see_the_pixels_where_they_lie() -> None:
    """A network with a neighbourhood of one pixel agrees with the whole image away from the tiles' borders."""
    X = torch.rand(1, 3, 64, 64)

    def right_neighbour(tiles: Tensor) -> Tensor:
        return tiles.roll(-1, -1)

    output = reconstruct(right_neighbour, X, 48)  # tiles begin at 0 and 16
    assert torch.allclose(output[..., :16], X[..., 1:17], atol=1e-6)


@pytest.mark.parametrize("tile", [0, 40])
def test_a_whole_image_goes_to_the_network_once_and_as_it_is(tile: int) -> None:
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
    starts = _starts(side, tile)
    assert starts[0] == 0
    if side <= tile:
        assert starts == [0]
        return
    assert starts[-1] == side - tile
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (tile - steps >= tile // 4).all()
    assert len(starts) - 1 < (side - tile) / (tile - tile // 4) + 1, "more tiles than are needed"


def test_resize_heatmap_by_hand() -> None:
    """Bilinear with pixel centres at halves, the edge repeated: what cv2.resize and the eye expect."""
    resized = resize_heatmap(torch.tensor([[0.0, 1.0]]), (1, 4))
    assert torch.allclose(resized, torch.tensor([[0.0, 0.25, 0.75, 1.0]]))
    assert torch.allclose(resize_heatmap(torch.tensor([[0.0, 1.0], [1.0, 2.0]]), (1, 1)), torch.tensor([[1.0]]))


def test_resize_heatmap_to_its_own_size_changes_nothing() -> None:
    heatmap = torch.rand(7, 9)
    assert resize_heatmap(heatmap, (7, 9)) is heatmap
    assert resize_heatmap(heatmap, [7, 9]) is heatmap, "a DataLoader makes lists of tuples"


def test_resize_heatmap_takes_height_before_width() -> None:
    assert resize_heatmap(torch.rand(4, 5), (8, 3)).shape == (8, 3)


def test_image_score_by_hand() -> None:
    heatmap = torch.arange(20.0).view(4, 5)[:, torch.tensor([4, 0, 3, 1, 2])]
    assert image_score(heatmap).item() == 19
    assert image_score(heatmap, "max", share=0.5).item() == 19
    assert image_score(heatmap, "mean_top", share=0.1).item() == (19 + 18) / 2
    assert image_score(heatmap, "mean_top", share=1.0).item() == 9.5


def test_the_mean_of_the_top_has_a_pixel_at_least() -> None:
    assert image_score(torch.tensor([[0.0, 3.0]]), "mean_top", share=1e-6).item() == 3


def test_an_unknown_pooling_is_refused() -> None:
    assert "median" not in POOLINGS
    with pytest.raises(ValueError, match="median"):
        image_score(torch.zeros(2, 2), "median")
