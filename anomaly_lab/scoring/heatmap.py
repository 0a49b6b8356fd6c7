"""From an image and its reconstruction to a heatmap and a score (sections 3.2 and 4.2): pure functions on tensors."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def plain_heatmap(X: Tensor, output: Tensor, error: str, sigma: float) -> Tensor:
    """(B, 3, h, w) and what it is compared with → (B, h, w): the error, smoothed."""
    with torch.autocast(X.device.type, enabled=False):  # else the Gaussian's products round the heatmap to bf16
        return smooth(error_map(X, output, error), sigma)


POOLINGS = ("max", "mean_top")
ERRORS = ("squared", "absolute")
TILE_OVERLAP = 4  # neighbouring tiles share a quarter of their side
TILES_AT_ONCE = 16  # bounds the memory of a large image


def error_map(X: Tensor, output: Tensor, error: str = "squared") -> Tensor:
    """|F(X) − X|² or |F(X) − X| averaged over channels: (B, C, H, W) → (B, H, W), values in [0, 1]."""
    difference = output - X
    if error == "squared":
        return difference.square().mean(1)
    if error == "absolute":
        return difference.abs().mean(1)
    raise ValueError(f"error must be one of {ERRORS}, got {error!r}")


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


def reconstruct(network: Callable[[Tensor], Tensor], X: Tensor, tile: int = 0) -> Tensor:
    """F(X) of (B, 3, H, W), on the whole image (`tile` = 0) or in overlapping square tiles of that side.

    The network's dilated branches reach hundreds of pixels: trained on crops, they have seen padding there, and on a whole
    image they drift. In tiles of the training size they see what they know. Neighbouring tiles overlap by a quarter and are
    blended with Hann weights, so that no seams show. Images smaller than a tile are enlarged by reflection and cropped again.
    """
    height, width = X.shape[-2:]
    if tile == 0 or (height == tile and width == tile):
        return network(X)
    rows = reflected(torch.arange(max(height, tile), device=X.device), height)
    columns = reflected(torch.arange(max(width, tile), device=X.device), width)
    X = X[..., rows, :][..., columns]
    corners = [(top, left) for top in _starts(X.shape[-2], tile) for left in _starts(X.shape[-1], tile)]
    window = torch.hann_window(tile, periodic=False, dtype=X.dtype, device=X.device).clamp_min(1e-3)
    window = window[:, None] * window[None, :]
    total, weight = torch.zeros_like(X), torch.zeros(X.shape[-2:], dtype=X.dtype, device=X.device)
    per_call = max(1, TILES_AT_ONCE // X.shape[0])
    for first in range(0, len(corners), per_call):
        group = corners[first : first + per_call]
        tiles = torch.cat([X[..., top : top + tile, left : left + tile] for top, left in group])
        outputs = network(tiles).split(X.shape[0])
        for (top, left), output in zip(group, outputs, strict=True):
            total[..., top : top + tile, left : left + tile] += window * output
            weight[top : top + tile, left : left + tile] += window
    return (total / weight)[..., :height, :width]


def _starts(side: int, tile: int) -> list[int]:
    """First pixels of tiles that cover [0, side) evenly, neighbours sharing a quarter of a tile or more."""
    if side <= tile:
        return [0]
    step = tile - tile // TILE_OVERLAP
    count = -(-(side - tile) // step) + 1
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]


def enlarged(heatmap: Tensor, size: Sequence[int]) -> Tensor:
    """One value a patch, (B, h', w'), of square patches that cover an image of `size` (h, w) → (B, h, w), bilinear."""
    patch = max(-(-side // count) for side, count in zip(size, heatmap.shape[1:], strict=True))
    full = F.interpolate(heatmap[:, None], scale_factor=patch, mode="bilinear")[:, 0]
    return full[:, : size[0], : size[1]]


def resize_heatmap(heatmap: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) → (H, W), bilinear: pixel metrics are computed at the ground truth's own resolution."""
    if tuple(heatmap.shape) == tuple(size):  # a DataLoader makes lists of tuples
        return heatmap
    return F.interpolate(heatmap[None, None], size=size, mode="bilinear", antialias=False)[0, 0]


def image_score(heatmap: Tensor, pooling: str = "max", share: float = 0.001) -> Tensor:
    """One number for an image's heatmap (H, W): its maximum, or the mean of the highest `share` of its pixels."""
    if pooling == "max":
        return heatmap.max()
    if pooling == "mean_top":
        return heatmap.flatten().topk(max(1, round(share * heatmap.numel()))).values.mean()
    raise ValueError(f"pooling must be one of {POOLINGS}, got {pooling!r}")
