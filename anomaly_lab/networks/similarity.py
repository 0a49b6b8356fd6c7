"""How alike two images are, place by place: SSIM and gradient magnitude similarity, for losses and for maps.

Images A, B are (N, C, H, W) in [0, 1], maps (N, H, W). All is computed in float32, and can be differentiated.

- SSIM: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
- GMS: Xue et al., "Gradient magnitude similarity deviation", 2014, equation (4). MSGMS: over scales, as in RIAD, equation (5).
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

WINDOW, SIGMA = 11, 1.5  # SSIM's Gaussian window in pixels
K1, K2 = 0.01, 0.03  # SSIM's constants
C = 0.0026  # of GMS, for images in [0, 1]
SCALES = 4  # of MSGMS: each is half as large as the one before
TINY = 1e-8  # under the root of a gradient's magnitude, whose slope is infinite at 0


def in_float32(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function of two images without autocast: bf16 has 8 bits of mantissa, and similarities are small differences."""

    @functools.wraps(function)
    def run(A: Tensor, B: Tensor, *rest: int) -> Tensor:
        with torch.autocast(A.device.type, enabled=False):
            return function(A.float(), B.float(), *rest)

    return run


@in_float32
def ssim(A: Tensor, B: Tensor) -> Tensor:
    """The structural similarity, (N, H, W) in [−1, 1], averaged over channels; 1 where A = B. Borders are reflected."""
    offset = torch.arange(WINDOW, device=A.device, dtype=A.dtype) - WINDOW // 2
    weights = torch.exp(-0.5 * (offset / SIGMA) ** 2)
    weights = weights / weights.sum()

    def mean(x: Tensor) -> Tensor:
        x = _reflected(x.flatten(0, 1)[:, None], WINDOW // 2)
        return functional.conv2d(functional.conv2d(x, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1)).view_as(A)

    a, b = mean(A), mean(B)
    var_a, var_b, cov = mean(A * A) - a * a, mean(B * B) - b * b, mean(A * B) - a * b
    found = (2 * a * b + K1**2) * (2 * cov + K2**2) / ((a * a + b * b + K1**2) * (var_a + var_b + K2**2))
    return found.mean(1)


@in_float32
def gms(A: Tensor, B: Tensor) -> Tensor:
    """(2 g_A g_B + c) / (g_A² + g_B² + c), (N, H, W) in (0, 1]: g is the magnitude of Prewitt's gradient of the grey image."""
    g_a, g_b = _gradient(A), _gradient(B)
    return (2 * g_a * g_b + C) / (g_a.square() + g_b.square() + C)


@in_float32
def msgms(A: Tensor, B: Tensor, scales: int = SCALES) -> Tensor:
    """1 − GMS, averaged over an image pyramid of `scales`, (N, H, W) in [0, 1): 0 where A = B. No side falls below 2 px."""
    size, maps = A.shape[-2:], []
    for _ in range(scales):
        maps.append(functional.interpolate(1 - gms(A, B)[:, None], size=size, mode="bilinear", align_corners=False)[:, 0])
        if min(A.shape[-2:]) < 4:
            break
        A, B = functional.avg_pool2d(A, 2), functional.avg_pool2d(B, 2)
    return torch.stack(maps).mean(0)


def _gradient(X: Tensor) -> Tensor:
    """The magnitude of Prewitt's gradient, divided by 3, of the mean over channels: (N, H, W)."""
    grey = _reflected(X.mean(1, keepdim=True), 1)
    kernel = grey.new_tensor([[1.0, 0.0, -1.0]] * 3) / 3
    both = functional.conv2d(grey, torch.stack([kernel, kernel.T])[:, None])
    return (both.square().sum(1) + TINY).sqrt()


def _reflected(x: Tensor, margin: int) -> Tensor:
    """(N, 1, H, W) with a reflected margin; a repeated one where the image is too small for a reflection."""
    mode = "reflect" if margin < min(x.shape[-2:]) else "replicate"
    return functional.pad(x, (margin,) * 4, mode=mode)
