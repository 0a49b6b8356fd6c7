"""F(X) of whole images in overlapping tiles of the training size."""

import itertools
from collections.abc import Callable, Sequence

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
    all_of_it = slice(0, X.shape[-2]), slice(0, X.shape[-1])
    found = blended(network, lambda rows, columns: X[..., rows, columns], X.shape[-2:], tile, all_of_it)
    return found[..., :height, :width]


def blended(
    network: Callable[[Tensor], Tensor],
    piece: Callable[[slice, slice], Tensor],
    size: Sequence[int],
    tile: int,
    window: tuple[slice, slice],
) -> Tensor:
    """A window of F(X), from those tiles of the whole X that reach into it.

    `piece`: gives rows and columns of X, (B, 3, h, w). `size`: (H, W) of X, no side below `tile`. `window`: rows and columns.
    """
    (top, bottom), (left, right) = ((part.start, part.stop) for part in window)
    rows = [row for row in starts(size[0], tile) if row < bottom and row + tile > top]
    columns = [column for column in starts(size[1], tile) if column < right and column + tile > left]
    first = piece(slice(rows[0], rows[0] + tile), slice(columns[0], columns[0] + tile))
    hann = torch.hann_window(tile, periodic=False, dtype=first.dtype, device=first.device).clamp_min(1e-3)
    hann = hann[:, None] * hann[None, :]
    total: Tensor | None = None
    weight = hann.new_zeros(bottom - top, right - left)
    corners, per_call = list(itertools.product(rows, columns)), max(1, TILES_AT_ONCE // first.shape[0])
    for start in range(0, len(corners), per_call):
        group = corners[start : start + per_call]
        tiles = torch.cat([piece(slice(row, row + tile), slice(column, column + tile)) for row, column in group])
        outputs = network(tiles).split(first.shape[0])
        if total is None:
            total = first.new_zeros(*outputs[0].shape[:-2], *weight.shape)
        for (row, column), output in zip(group, outputs, strict=True):
            y, x = slice(max(row, top), min(row + tile, bottom)), slice(max(column, left), min(column + tile, right))
            inside = slice(y.start - row, y.stop - row), slice(x.start - column, x.stop - column)
            place = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
            total[(..., *place)] += (hann * output)[(..., *inside)]
            weight[place] += hann[inside]
    assert total is not None  # there is at least one tile
    return total / weight


def starts(side: int, tile: int) -> list[int]:
    """The first pixels of tiles that cover [0, side) evenly. Neighbours share at least a quarter of a tile."""
    if side <= tile:
        return [0]
    step = tile - tile // TILE_OVERLAP
    count = -(-(side - tile) // step) + 1
    return [round(i * (side - tile) / (count - 1)) for i in range(count)]
