"""The fixed filters: their kernels against derivatives worked out by hand, and what light, turns and colours do to features."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_lab.networks.filters import LEAST, VIVID, FilterBank, in_even_light

ACROSS, DOWN, ACROSS_TWICE, _, DOWN_TWICE, SPOT = range(6)  # kernels: derivatives along the columns and rows, and a spot


def picture(seed: int = 0, side: int = 128) -> Tensor:
    """A grey picture (1, 3, side, side) of waves and noise, in [0.2, 0.8]."""
    random = torch.Generator().manual_seed(seed)
    x = torch.arange(side) / side
    waves = torch.sin(20 * x[:, None] + 33 * x) + torch.randn(side, side, generator=random)
    return (0.5 + 0.3 * (waves / waves.abs().max())).expand(1, 3, side, side).contiguous()


def test_kernels_are_derivatives_of_a_gaussian() -> None:
    kernels = FilterBank().kernels[:, 0].double()
    assert kernels.shape == (6, 9, 9)
    assert kernels.sum((1, 2)).abs().max() < 1e-6, "they don't answer to what is constant"
    x = torch.arange(-4, 5).double()
    ramp, bowl = x.expand(9, 9), (x**2 / 2).expand(9, 9)
    # of f(x) = x the first derivative is 1, of x² / 2 the second: −∫ x · x g and ∫ (x² − 1) x² / 2 · g of a unit Gaussian
    assert float((kernels[ACROSS] * ramp).sum()) == pytest.approx(-1, abs=0.002)
    assert float((kernels[DOWN] * ramp.T).sum()) == pytest.approx(-1, abs=0.002)
    assert float((kernels[ACROSS_TWICE] * bowl).sum()) == pytest.approx(1, abs=0.02)
    assert float((kernels[DOWN_TWICE] * bowl.T).sum()) == pytest.approx(1, abs=0.02)
    middle = 1 / (2 * math.pi) - 1 / (8 * math.pi)  # of the densities of 1 and 2 px
    assert float(kernels[SPOT, 4, 4]) == pytest.approx(middle, abs=0.01)


def test_what_is_even_has_no_structure() -> None:
    assert FilterBank().encode(torch.full((1, 3, 64, 64), 0.7)).abs().max() < 1e-4


def test_an_edge_answers_to_its_own_direction() -> None:
    X = torch.full((1, 3, 64, 64), 0.3)
    X[..., 30:] = 0.7
    found = FilterBank().encode(X)[0, :12, 8]
    rising, falling = found[6 + ACROSS], found[ACROSS]  # the kernel −x g is positive where the image falls
    assert rising.argmax() == 7 and rising.max() > 3 * falling.max(), (
        "brighter to the right, after the flanks of the local mean"
    )
    assert found[[DOWN, 6 + DOWN]].abs().max() < 1e-5


@settings(max_examples=20)
@given(gain=st.floats(0.5, 1.2), offset=st.floats(-0.05, 0.05))
def test_light_changes_little(gain: float, offset: float) -> None:
    X, bank = picture(), FilterBank()
    before, after = bank.encode(X), bank.encode(gain * X + offset)
    spread = 0.08  # of the picture, at least: LEAST is added to it
    assert (after - before).norm() <= (LEAST / (0.5 * spread)) * before.norm()


def test_even_light_has_the_local_mean_and_spread_taken_out() -> None:
    """A chessboard of ±0.1 has its fields at ±0.1 / (0.1 + 0.02), whatever it lies on."""
    field = torch.arange(128)
    board = 0.1 * (2 * ((field[:, None] + field) % 2) - 1)
    for level in (0.3, 0.6):
        found = in_even_light((level + board)[None])[0]
        assert found[40:80, 40:80].abs().sub(0.1 / 0.12).abs().max() < 0.002
        assert bool((found * board > 0).all())
    ramp = torch.linspace(0.2, 0.8, 128).expand(1, 128, 128)
    assert in_even_light(ramp)[0, 40:80, 40:80].abs().max() < 0.01, "light that rises evenly"


def test_a_turned_image_has_turned_features() -> None:
    X, bank = picture(), FilterBank()
    turned = bank.encode(X.transpose(2, 3))[0, :12].transpose(1, 2)
    swapped = bank.encode(X)[0, [DOWN, ACROSS, 4, 3, 2, SPOT, 7, 6, 10, 9, 8, 11]]
    torch.testing.assert_close(turned, swapped, rtol=1e-4, atol=1e-4)


def test_colours_count_and_grey_has_none() -> None:
    bank = FilterBank()
    assert bank.encode(picture())[0, -4:].abs().max() < 1e-5
    X = torch.full((1, 3, 64, 64), 0.4)
    X[:, 0] = 0.6
    red_green, yellow_blue = bank.encode(X)[0, [-4, -3], 8, 8].tolist()
    assert (red_green, yellow_blue) == pytest.approx((VIVID * 0.2, VIVID * 0.1), abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (5, 90), (33, 64), (131, 77)])
def test_any_size_has_a_feature_for_every_four_pixels(size: tuple[int, int]) -> None:
    found = FilterBank().encode(torch.rand(2, 3, *size))
    assert found.shape == (2, 52, -(-size[0] // 4), -(-size[1] // 4)) and bool(torch.isfinite(found).all())


def test_what_is_moved_by_a_cell_of_the_coarsest_octave_has_moved_features() -> None:
    X, bank = picture(side=256), FilterBank()
    moved = bank.encode(X.roll((8, 16), (2, 3)))
    inside = (..., slice(28, 36), slice(28, 36))
    torch.testing.assert_close(moved[inside], bank.encode(X).roll((2, 4), (2, 3))[inside], rtol=1e-4, atol=1e-5)
