"""Octave bands: the band in which a wave has its energy."""

import pytest
import torch
from torch import Tensor

from anomaly_lab.scoring.bands import BANDS, band_energies, brightness, halved, observed


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("period", "band"), [(2, 0), (4, 1), (8, 2), (16, 3), (128, 4)])
def test_a_wave_has_its_energy_in_the_band_of_its_period(period: int, band: int) -> None:
    """Half a period fits into the 2 × 2 blocks of its level."""
    wave = torch.where(torch.arange(128) % period < period // 2, 1.0, -1.0).expand(1, 1, 128, 128)
    energies = band_energies(wave)[0, :, 8:-8, 8:-8].mean((1, 2))
    assert int(energies.argmax()) == band


def test_a_flat_image_has_only_the_last_band() -> None:
    energies = band_energies(torch.full((2, 3, 40, 24), 0.3))
    assert energies.shape == (2, BANDS, 12, 8), "a grid of 4 px over 48 × 32, the next multiples of 16"
    torch.testing.assert_close(energies[:, -1], torch.full((2, 12, 8), 0.09))
    assert float(energies[:, :-1].abs().max()) < 1e-12


def test_energies_are_means_over_channels_and_scale_with_the_square() -> None:
    x = noise(0, 1, 3, 32, 32)
    apart = torch.stack([band_energies(x[:, c : c + 1]) for c in range(3)]).mean(0)
    torch.testing.assert_close(band_energies(x), apart)
    torch.testing.assert_close(band_energies(3 * x), 9 * apart)


def test_halves_are_the_left_and_the_right_part_of_the_grid() -> None:
    seen = observed(torch.rand(3, 32, 64), torch.rand(3, 32, 64))
    left, right = halved(seen)
    assert seen.error.shape == (1, BANDS, 8, 16)
    for whole, a, b in zip(seen, left, right, strict=True):
        assert torch.equal(torch.cat([a, b], -1), whole)


def test_brightness_is_the_mean_of_blocks() -> None:
    X = torch.zeros(1, 3, 16, 16)
    X[:, 0, :4, :4] = 0.9
    assert brightness(X)[0, 0, 0].tolist() == pytest.approx([0.3, 0, 0, 0])
