"""Smoothing and resizing of heatmaps (section 3.1). Pure functions on tensors."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def smooth(heatmap: Tensor, sigma: float) -> Tensor:
    """Gaussian filter: (B, H, W) → (B, H, W). `sigma`: in pixels, 0 for none. It ends at 4 σ and reflects at the border."""
    if sigma == 0:
        return heatmap
    rows, columns = (_gaussian(side, sigma, heatmap) for side in heatmap.shape[1:])
    return rows @ heatmap @ columns.T


def _gaussian(side: int, sigma: float, like: Tensor) -> Tensor:
    """The filter as a matrix (side, side): row i holds the weights of a Gaussian around i.

    Up to 1024², matrix products take a third of the time of convolutions.
    """
    radius = max(1, int(4 * sigma + 0.5))
    offset = torch.arange(-radius, radius + 1, device=like.device)
    weights = torch.exp(-0.5 * (offset.to(like.dtype) / sigma) ** 2)
    places = reflected(torch.arange(side, device=like.device)[:, None] + offset, side)
    zeros = torch.zeros(side, side, dtype=like.dtype, device=like.device)
    return zeros.scatter_add_(1, places, (weights / weights.sum()).expand(side, -1))


def reflected(index: Tensor, length: int) -> Tensor:
    """Map any index into [0, length) by reflection at the outer edges of the pixels: −1 → 0, length → length − 1."""
    folded = index.remainder(index.new_full((), 2 * length))  # a tensor: in an export the length may be open
    return torch.where(folded < length, folded, 2 * length - 1 - folded)


def enlarged(heatmap: Tensor, size: Sequence[int], patch: int | None = None) -> Tensor:
    """From one value per square patch (B, h', w') to one per pixel (B, h, w), bilinear. `size`: (h, w) of the image. `patch`:
    a patch's side in pixels; None finds it from the sizes, if the image is much larger."""
    patch = patch or max(-(-side // count) for side, count in zip(size, heatmap.shape[1:], strict=True))
    full = F.interpolate(heatmap[:, None], size=[patch * count for count in heatmap.shape[1:]], mode="bilinear")[:, 0]
    return full[:, : size[0], : size[1]]


def resize_heatmap(heatmap: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (…, h, w) to (…, H, W), bilinear: pixel metrics are computed at the resolution of the ground truth."""
    if tuple(heatmap.shape[-2:]) == tuple(size):  # a DataLoader turns tuples into lists
        return heatmap
    maps = heatmap.reshape(-1, 1, *heatmap.shape[-2:])
    return F.interpolate(maps, size=tuple(size), mode="bilinear", antialias=False).reshape(*heatmap.shape[:-2], *size)
