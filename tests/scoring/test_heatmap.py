"""Heatmaps: smoothing against SciPy, and resizing by hand."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from anomaly_lab.scoring.heatmap import resize_heatmap, smooth

SIDES = st.integers(1, 40)


def random_maps(batch: int, height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(batch, height, width, generator=torch.Generator().manual_seed(height * 1000 + width), dtype=dtype)


@settings(max_examples=60)
@given(height=SIDES, width=SIDES, sigma=st.floats(0.05, 12))
def test_smooth_is_scipys_gaussian_filter(height: int, width: int, sigma: float) -> None:
    """Also if the kernel is wider than the image, so that it reflects several times."""
    maps = random_maps(2, height, width)
    expected = [ndimage.gaussian_filter(m, sigma, mode="reflect", truncate=4.0) for m in maps.numpy()]
    np.testing.assert_allclose(smooth(maps, sigma).numpy(), np.stack(expected), atol=1e-12)


def test_smooth_in_float32() -> None:
    maps = random_maps(1, 50, 60, torch.float32)
    smoothed = smooth(maps, 4)
    assert smoothed.dtype == torch.float32
    np.testing.assert_allclose(smoothed[0].numpy(), ndimage.gaussian_filter(maps[0].double().numpy(), 4), atol=1e-6)


@settings(max_examples=30)
@given(height=SIDES, width=SIDES, sigma=st.floats(0.05, 12))
def test_smooth_keeps_the_mean(height: int, width: int, sigma: float) -> None:
    maps = random_maps(3, height, width)
    assert torch.allclose(smooth(maps, sigma).mean((1, 2)), maps.mean((1, 2)), atol=1e-12)


def test_smooth_of_sigma_0_changes_nothing() -> None:
    maps = random_maps(1, 5, 6)
    assert torch.equal(smooth(maps, 0), maps)


def test_smooth_does_not_change_its_argument() -> None:
    maps = random_maps(1, 9, 9)
    before = maps.clone()
    smooth(maps, 2.0)
    assert torch.equal(maps, before)


def test_resize_heatmap_by_hand() -> None:
    """Bilinear with pixel centres at halves and repeated edges, as in cv2.resize."""
    resized = resize_heatmap(torch.tensor([[0.0, 1.0]]), (1, 4))
    assert torch.allclose(resized, torch.tensor([[0.0, 0.25, 0.75, 1.0]]))
    assert torch.allclose(resize_heatmap(torch.tensor([[0.0, 1.0], [1.0, 2.0]]), (1, 1)), torch.tensor([[1.0]]))


def test_resize_heatmap_to_its_own_size_changes_nothing() -> None:
    heatmap = torch.rand(7, 9)
    assert resize_heatmap(heatmap, (7, 9)) is heatmap
    assert resize_heatmap(heatmap, [7, 9]) is heatmap, "a DataLoader turns tuples into lists"


def test_resize_heatmap_takes_height_before_width() -> None:
    assert resize_heatmap(torch.rand(4, 5), (8, 3)).shape == (8, 3)
