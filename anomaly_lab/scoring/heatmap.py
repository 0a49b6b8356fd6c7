"""Heatmaps: smoothed, and brought to another size (section 4.2). Pure functions on tensors."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def smooth(heatmap: Tensor, sigma: float) -> Tensor:
    """Gaussian filter of `sigma` pixels (0: none), reflecting at the border, cut off at 4 σ: (B, H, W) → (B, H, W)."""
    if sigma == 0:
        return heatmap
    rows, columns = (_gaussian(side, sigma, heatmap) for side in heatmap.shape[1:])
    return rows @ heatmap @ columns.T


def _gaussian(side: int, sigma: float, like: Tensor) -> Tensor:
    """(side, side): each row the weights of a Gaussian around its place. As matrix products the filter takes a third of the
    time of its convolutions, up to 1024²."""
    radius = max(1, int(4 * sigma + 0.5))
    offset = torch.arange(-radius, radius + 1, device=like.device)
    weights = torch.exp(-0.5 * (offset.to(like.dtype) / sigma) ** 2)
    places = reflected(torch.arange(side, device=like.device)[:, None] + offset, side)
    zeros = torch.zeros(side, side, dtype=like.dtype, device=like.device)
    return zeros.scatter_add_(1, places, (weights / weights.sum()).expand(side, -1))


def reflected(index: Tensor, length: int) -> Tensor:
    """Any index mapped into [0, length) by reflection at the pixels' outer edges: −1 → 0, length → length − 1."""
    folded = index.remainder(2 * length)
    return torch.where(folded < length, folded, 2 * length - 1 - folded)


def enlarged(heatmap: Tensor, size: Sequence[int]) -> Tensor:
    """One value a patch, (B, h', w'), of square patches that cover an image of `size` (h, w) → (B, h, w), bilinear."""
    patch = max(-(-side // count) for side, count in zip(size, heatmap.shape[1:], strict=True))
    full = F.interpolate(heatmap[:, None], scale_factor=patch, mode="bilinear")[:, 0]
    return full[:, : size[0], : size[1]]


def resize_heatmap(heatmap: Tensor, size: Sequence[int]) -> Tensor:
    """(h, w) → (H, W), bilinear: pixel metrics are computed at the ground truth's own resolution."""
    if tuple(heatmap.shape) == tuple(size):  # a DataLoader makes lists of tuples
        return heatmap
    return F.interpolate(heatmap[None, None], size=tuple(size), mode="bilinear", antialias=False)[0, 0]
