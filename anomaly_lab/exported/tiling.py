"""`scoring.tiles.reconstruct` with all tiles in one batch: a loop whose length depends on the batch can't be exported."""

from collections.abc import Callable

import torch
from torch import Tensor

from anomaly_lab.scoring.heatmap import reflected
from anomaly_lab.scoring.tiles import TILE_OVERLAP


def reconstruct(network: Callable[[Tensor], Tensor], X: Tensor, tile: int) -> Tensor:
    """F(X) of X (B, 3, H, W), as `scoring.tiles.reconstruct` computes it, up to the order of sums. In an export, H and W may be
    open.

    The blending weights are products of a row's and a column's. So tiles are cut by indices and blended by two matrices.
    """
    if tile == 0:
        return network(X)
    (rows, down), (columns, across) = (_cut(side, tile) for side in X.shape[-2:])
    grid = down.shape[1] // tile, across.shape[1] // tile
    tiles = X[..., rows, :][..., columns].unflatten(3, (grid[1], tile)).unflatten(2, (grid[0], tile))  # (B, 3, n, t, m, t)
    outputs = network(tiles.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)).unflatten(0, (-1, *grid))  # (B, n, m, 3, t, t)
    return down @ outputs.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3) @ across.T


def first_pixels(side: int, tile: int) -> Tensor:
    """`scoring.tiles.starts` as a tensor, for a side of at least a tile."""
    step = tile - tile // TILE_OVERLAP
    count = (side - tile + step - 1) // step + 1
    place = torch.arange(count, dtype=torch.float64) * (side - tile)
    return (place / torch.full((), count - 1).clamp_min(1)).round().long()


def _cut(side: int, tile: int) -> tuple[Tensor, Tensor]:
    """The pixel at each place of each tile, (n · tile,), and the weight of each place in each pixel, (side, n · tile)."""
    first = first_pixels(torch.sym_max(side, tile), tile)
    place = (first[:, None] + torch.arange(tile)).flatten()
    window = torch.hann_window(tile, periodic=False).clamp_min(1e-3).expand(first.shape[0], tile).flatten()
    weight = torch.where(place == torch.arange(side)[:, None], window, 0.0)
    return reflected(place, side), weight / weight.sum(1, keepdim=True)
