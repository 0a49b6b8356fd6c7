"""Large images in blocks: the heatmap of the whole image, in memory that does not grow with it.

What a pixel of the heatmap depends on lies within `HALO` pixels: each block is scored with that much of its surroundings. F(X)
comes from the tiles of the whole image. So the blocks' heatmaps are pieces of the whole one, up to rounding. Maps, and networks
of features, say by `reach` how many pixels they look around, before the smoothing.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from anomaly_lab.scoring.forward import Forward
from anomaly_lab.scoring.scorers import Look

BLOCK = 2048  # pixels; a multiple of 32, as HALO is, so that grids of patches and bands begin at the same places
HALO = 288  # pixels: the furthest `reach`, 240, and four times the usual σ of 8
NEAR = 64  # pixels: functions of X and F(X), which have no `reach`, look at a few pixels around


def possible(scorer: Any, F: Forward) -> bool:
    """Whether all that a pixel depends on lies within `HALO`. F(X) of whole images looks everywhere."""
    if hasattr(scorer, "detector"):
        reach = getattr(F.network, "reach", math.inf)
    elif hasattr(scorer, "fusion") and F.tile:
        reach = max(getattr(each, "reach", NEAR) for each in scorer.fusion.maps)
    else:
        return False
    return bool(reach + 4 * scorer.sigma <= HALO)


def look(scorer: Any, F: Forward, X: Any, device: torch.device, whole: bool) -> Look:
    """Score X (3, h, w), a tensor or `Pieces`, block by block. `output` and `parts` are None unless `whole`."""
    height, width = X.shape[-2:]
    heatmap = torch.empty(1, height, width)
    output: Tensor | None = None
    parts: Tensor | None = None
    weights, highest = None, -torch.inf
    for rows, columns in _blocks(height, width):
        wide = _with_halo(rows, height), _with_halo(columns, width)
        found = scorer(F.within(X, wide), X[(..., *wide)][None].to(device))
        inner = (..., *(slice(a.start - b.start, a.stop - b.start) for a, b in zip((rows, columns), wide, strict=True)))
        heatmap[..., rows, columns] = found.heatmap[inner]
        if whole:
            output, parts = _put(output, found.output, height, width), _put(parts, found.parts, height, width)
            for target, source in ((output, found.output), (parts, found.parts)):
                if target is not None:
                    target[..., rows, columns] = source[inner]
        if found.weights is not None and float(found.peak) > highest:  # the factor belongs to the image's highest distance
            weights, highest = found.weights, float(found.peak)
    return Look(output, heatmap, weights, parts)


def _put(target: Tensor | None, source: Tensor | None, height: int, width: int) -> Tensor | None:
    """Where the pieces `source` come together: `target`, made at the first piece; None without pieces."""
    if target is not None or source is None:
        return target
    return torch.empty(*source.shape[:-2], height, width)


def _blocks(height: int, width: int) -> Iterator[Sequence[slice]]:
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            yield slice(top, min(top + BLOCK, height)), slice(left, min(left + BLOCK, width))


def _with_halo(part: slice, side: int) -> slice:
    return slice(max(0, part.start - HALO), min(side, part.stop + HALO))
