"""Lengths of images, and their ratios."""

import torch
from torch import Tensor


def length(E: Tensor) -> Tensor:
    """‖E‖₂ of each image of E (B, …), over all its values: (B,) float64."""
    return E.flatten(1).double().norm(dim=1)


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b of each image; NaN where b is 0, so that a flat image counts in no mean."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1.0), torch.nan)


def mean_color(X: Tensor) -> Tensor:
    """x̄: the mean of each channel of X (B, C, h, w) over its pixels, (B, C, 1, 1)."""
    return X.mean((-2, -1), keepdim=True)
