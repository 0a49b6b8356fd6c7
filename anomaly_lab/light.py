"""Brightness and contrast of an image: taken off before a network and restored behind it, and changed."""

from collections.abc import Callable

from torch import Tensor

SPREAD = 0.14  # standard deviation of a standardised crop: ±3.6 of them fit into [0, 1], where a sigmoid ends
LEAST_SPREAD = 0.02  # of a crop, added as squares: one that is nearly flat is not stretched into noise


def standardised(network: Callable[[Tensor], Tensor], X: Tensor) -> Tensor:
    """F(X) of a network that sees each of X, (B, C, H, W), less its own mean and in units of its own spread, of channels and
    pixels pooled; both are restored behind it.

    So F(a·X + b) = a·F(X) + b within [0, 1], but for crops that are nearly flat. (Mean and spread of the whole image in their
    place, which a defect moves less, were worse on three of four categories: experiments/real_images.)
    """
    mean = X.mean((1, 2, 3), keepdim=True)
    scale = (X.var((1, 2, 3), correction=0, keepdim=True) + LEAST_SPREAD**2).sqrt() / SPREAD
    return (mean + scale * (network(0.5 + (X - mean) / scale) - 0.5)).clamp(0, 1)


def in_other_light(X: Tensor, contrast: float, brightness: float) -> Tensor:
    """Values in [0, 1], lighter by `brightness`, then stretched about the middle by `contrast`, and cut off at 0 and 1."""
    return (0.5 + contrast * (X - 0.5 + brightness)).clamp(0, 1)
