"""F(X) of whole images in overlapping tiles of the training size."""

from collections.abc import Callable

import torch
from torch import Tensor

from anomaly_lab.scoring.heatmap import reflected

TILE_OVERLAP = 4  # neighbouring tiles share at least 1/4 of their side
TILES_AT_ONCE = 16  # limits the memory for a large image


def reconstruct(network: Callable[[Tensor], Tensor], X: Tensor, tile: int) -> Tensor:
    """F(X) of X (B, 3, H, W), on whole images (`tile` = 0) or in overlapping square tiles of `tile` pixels. F(X) has X's height
    and width, and any number of channels.

    The network's dilated branches reach hundreds of pixels. Trained on crops, they have seen padding there, so on a whole image
    the brightness of F(X) drifts. Tiles of the training size avoid that. They are blended with Hann weights, which leaves no
    seams. An image smaller than a tile is enlarged by reflection and cropped again.
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
    total, weight = None, torch.zeros(X.shape[-2:], dtype=X.dtype, device=X.device)
    per_call = max(1, TILES_AT_ONCE // X.shape[0])
    for first in range(0, len(corners), per_call):
        group = corners[first : first + per_call]
        tiles = torch.cat([X[..., top : top + tile, left : left + tile] for top, left in group])
        outputs = network(tiles).split(X.shape[0])
        if total is None:
            total = X.new_zeros(*outputs[0].shape[:2], *X.shape[-2:])
        for (top, left), output in zip(group, outputs, strict=True):
            total[..., top : top + tile, left : left + tile] += window * output
            weight[top : top + tile, left : left + tile] += window
    assert total is not None  # there is at least one tile
    return (total / weight)[..., :height, :width]


def starts(side: int, tile: int) -> list[int]:
    """The first pixels of tiles that cover [0, side) evenly. Neighbours share at least a quarter of a tile."""
    if side <= tile:
        return [0]
    step = tile - tile // TILE_OVERLAP
    count = -(-(side - tile) // step) + 1
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]
