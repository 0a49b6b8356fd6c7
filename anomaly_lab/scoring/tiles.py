"""F(X) of whole images in overlapping tiles of the training size."""

from collections.abc import Callable

import torch
from torch import Tensor

from anomaly_lab.scoring.heatmap import reflected

TILE_OVERLAP = 4  # neighbouring tiles share a quarter of their side
TILES_AT_ONCE = 16  # bounds the memory of a large image


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
    corners = [(top, left) for top in starts(X.shape[-2], tile) for left in starts(X.shape[-1], tile)]
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


def starts(side: int, tile: int) -> list[int]:
    """First pixels of tiles that cover [0, side) evenly, neighbours sharing a quarter of a tile or more."""
    if side <= tile:
        return [0]
    step = tile - tile // TILE_OVERLAP
    count = -(-(side - tile) // step) + 1
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]
