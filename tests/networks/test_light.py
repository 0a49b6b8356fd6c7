"""Brightness and contrast: by hand, and that a standardised network follows both."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_lab.networks import sdc_autoencoder
from anomaly_lab.networks.sdc_autoencoder import standardised
from anomaly_lab.scoring.scorers import in_other_light


def halves() -> Tensor:
    """Two images: half at .3 and half at .5, so of mean .4 and spread .1; and all at .9."""
    X = torch.full((2, 3, 4, 4), 0.3)
    X[0, :, :2], X[1] = 0.5, 0.9
    return X


def test_standardised_by_hand() -> None:
    """What is added to a spread of .1 is a fifth of it; a flat image is no noise."""
    X, spread, seen = halves(), (0.1**2 + 0.02**2) ** 0.5, []
    torch.testing.assert_close(standardised(lambda x: seen.append(x) or x, X), X)
    assert seen[0][0].unique().tolist() == pytest.approx([0.5 - 0.14 * 0.1 / spread, 0.5 + 0.14 * 0.1 / spread])
    assert seen[0][1].unique().tolist() == pytest.approx([0.5], abs=1e-5)
    white = standardised(torch.ones_like, X)
    assert white[0].unique().tolist() == pytest.approx([0.4 + 0.5 * spread / 0.14])
    assert white[1].unique().tolist() == pytest.approx([0.9 + 0.5 * 0.02 / 0.14])
    assert float(standardised(torch.ones_like, X + 0.1).max()) == 1.0, "nothing leaves [0, 1]"


@settings(deadline=None)
@given(st.floats(0.3, 1.4), st.floats(-0.2, 0.2), st.integers(0, 5))
def test_a_standardised_network_follows_brightness_and_contrast(contrast: float, brightness: float, seed: int) -> None:
    """F(a·X + b) = a·F(X) + b for any network, where no value leaves [0, 1] and the spread is as it is."""
    generator = torch.Generator().manual_seed(seed)
    whole = 0.5 + 0.05 * torch.randn(2, 3, 24, 32, generator=generator).clamp(-3, 3)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.Sigmoid())
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(sdc_autoencoder, "LEAST_SPREAD", 0.0)
        other = 0.5 + contrast * (whole - 0.5) + brightness
        plain, follows = standardised(network, whole), standardised(network, other)
    torch.testing.assert_close(follows, 0.5 + contrast * (plain - 0.5) + brightness, atol=1e-4, rtol=0)


def test_other_light_by_hand() -> None:
    assert in_other_light(torch.tensor([0.1, 0.4, 0.5, 0.9]), 2.0, 0.05).tolist() == pytest.approx([0, 0.4, 0.6, 1])
