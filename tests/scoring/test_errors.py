"""Evidence from X and F(X) alone, computed by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anomaly_lab.networks import similarity
from anomaly_lab.scoring.errors import absolute, msgms, signed, squared, ssim
from anomaly_lab.scoring.heatmap import smooth

Evidence = Callable[[Tensor, Tensor, float], Tensor]


def test_errors_by_hand() -> None:
    """One image of 1 × 2 pixels and three channels."""
    X = torch.tensor([[[[0.0, 0.5]], [[0.2, 0.5]], [[1.0, 0.5]]]])
    output = torch.tensor([[[[0.3, 0.5]], [[0.2, 0.5]], [[0.4, 0.8]]]])
    for error in (squared, signed):  # without smoothing they are the same
        assert torch.allclose(error(X, output, 0), torch.tensor([[[(0.09 + 0 + 0.36) / 3, 0.09 / 3]]]))
    assert torch.allclose(absolute(X, output, 0), torch.tensor([[[(0.3 + 0 + 0.6) / 3, 0.3 / 3]]]))


@pytest.mark.parametrize("error", [squared, absolute, signed, ssim, msgms])
def test_an_error_is_symmetric_and_keeps_images_apart(error: Evidence) -> None:
    X, output = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    both = error(X, output, 1.0)
    assert both.shape == (2, 4, 5)
    torch.testing.assert_close(both, error(output, X, 1.0))
    torch.testing.assert_close(both[1], error(X[1:], output[1:], 1.0)[0])


def test_plain_errors_are_smoothed() -> None:
    X, output = torch.rand(1, 3, 9, 9), torch.rand(1, 3, 9, 9)
    assert torch.equal(squared(X, output, 2.0), smooth((output - X).square().mean(1), 2.0))
    assert torch.equal(absolute(X, output, 2.0), smooth((output - X).abs().mean(1), 2.0))


def test_the_signed_error_keeps_what_is_evenly_brighter_and_loses_noise() -> None:
    noise = torch.tensor([-0.1, 0.1]).repeat(8)
    X = torch.zeros(1, 3, 16, 32)
    output = torch.cat([noise.expand(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.1)], -1)
    plain, found = squared(X, output, 3.0), signed(X, output, 3.0)
    torch.testing.assert_close(plain, torch.full_like(plain, 0.01))
    assert found[..., 2].max() < 1e-4 and found[..., 29].min() > 0.0099


def test_unlikeness_is_one_minus_the_similarity_smoothed() -> None:
    X, output = torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 24)
    torch.testing.assert_close(ssim(X, output, 2.0), smooth(1 - similarity.ssim(X, output), 2.0))
    torch.testing.assert_close(msgms(X, output, 2.0), smooth(similarity.msgms(X, output), 2.0))
