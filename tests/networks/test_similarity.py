"""Similarity maps, against torchmetrics and values worked out by hand."""

import math

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from anomaly_lab.networks.similarity import C, gms, msgms, ssim


def images(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    A = torch.rand(*size, generator=generator)
    return A, (A + 0.1 * torch.randn(*size, generator=generator)).clamp(0, 1)


def test_ssim_is_that_of_torchmetrics_inside_the_border() -> None:
    A, B = images(2, 3, 40, 32)
    _, full = structural_similarity_index_measure(A, B, data_range=1.0, return_full_image=True)  # type: ignore[misc]
    found = ssim(A, B)
    assert found.shape == (2, 40, 32)
    torch.testing.assert_close(found[:, 5:-5, 5:-5], full.mean(1)[:, 5:-5, 5:-5], rtol=1e-4, atol=1e-5)


def test_ssim_of_two_flat_images_is_the_luminance_term() -> None:
    A, B = torch.full((1, 1, 16, 16), 0.2), torch.full((1, 1, 16, 16), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4)
    torch.testing.assert_close(ssim(A, B), torch.full((1, 16, 16), expected), rtol=1e-3, atol=1e-4)


def test_gms_of_ramps_is_worked_out_by_hand() -> None:
    """A ramp of slope s has Prewitt's gradient 2 s: three rows of (x + 1) − (x − 1), divided by 3."""
    x = torch.arange(16.0).view(1, 1, 1, 16).expand(1, 3, 16, 16)
    A, B = 0.01 * x, 0.03 * x.transpose(2, 3)  # the direction does not matter
    g, h = 0.02, 0.06
    expected = (2 * g * h + C) / (g**2 + h**2 + C)
    assert float(gms(A, B)[0, 8, 8]) == pytest.approx(expected, rel=1e-3)
    assert float(gms(A, torch.zeros_like(A))[0, 8, 8]) == pytest.approx((2 * g * 1e-4 + C) / (g**2 + 1e-8 + C), rel=1e-3)


def test_msgms_is_the_mean_over_the_pyramid() -> None:
    """On ramps each halving doubles the slope, and away from the border every scale is constant."""
    x = torch.arange(64.0).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    A, B = 0.005 * x, 0.015 * x

    def unlike(g: float, h: float) -> float:
        return 1 - (2 * g * h + C) / (g**2 + h**2 + C)

    expected = sum(unlike(0.01 * 2**k, 0.03 * 2**k) for k in range(2)) / 2
    assert float(msgms(A, B, 2)[0, 32, 32]) == pytest.approx(expected, rel=1e-3)


def test_equal_images_are_alike_and_gradients_are_finite() -> None:
    A, _ = images(1, 3, 24, 24)
    flat = torch.full_like(A, 0.5).requires_grad_()
    for found in (1 - ssim(A, A), 1 - gms(A, A), msgms(A, A)):
        assert float(found.abs().max()) < 1e-5
    (msgms(flat, A).mean() + ssim(flat, A).mean()).backward()
    assert flat.grad is not None and math.isfinite(float(flat.grad.abs().sum()))


def test_bf16_is_not_used() -> None:
    A, B = images(1, 3, 24, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(msgms(A, B), msgms(A, B)) and ssim(A, B).dtype == torch.float32
        found = ssim(A, B), msgms(A, B)
    torch.testing.assert_close(found, (ssim(A, B), msgms(A, B)), rtol=0, atol=0)


@pytest.mark.parametrize("size", [(2, 3), (5, 40), (11, 11)])
def test_small_images_have_a_map(size: tuple[int, int]) -> None:
    A, B = images(1, 3, *size)
    assert ssim(A, B).shape == msgms(A, B).shape == (1, *size)
