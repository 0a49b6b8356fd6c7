"""Large images in blocks: the heatmap of the whole image, in memory that does not grow with it.

Each block is scored with as much of its surroundings as a pixel of the heatmap depends on, the halo. F(X) comes from the tiles
of the whole image. So the blocks' heatmaps are pieces of the whole one, up to rounding. Maps, and networks of features, say by
`reach` how many pixels they look around, before the smoothing.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from anomaly_lab.scoring.forward import Forward
from anomaly_lab.scoring.scorers import Look

# pixels: BLOCK and the halo are multiples, so that grids begin at the same places. The widest is 16 px of an image at a quarter
GRID = 64
BLOCK = 2048  # pixels
WIDEST = 1024  # pixels of a halo; a wider one would cost more than it spares
NEAR = 64  # pixels: functions of X and F(X), which have no `reach`, look at a few pixels around


def halo(scorer: Any, F: Forward) -> int | None:
    """Pixels around a block that its heatmap depends on; None if they are more than `WIDEST`. F(X) of whole images looks
    everywhere."""
    if hasattr(scorer, "detector"):
        reach = getattr(F.network, "reach", math.inf)
    elif hasattr(scorer, "fusion") and F.tile:
        reach = max(getattr(each, "reach", NEAR) for each in scorer.fusion.maps)
    else:
        return None
    far = reach + 4 * scorer.sigma
    return math.ceil(far / GRID) * GRID if far <= WIDEST else None


def look(scorer: Any, F: Forward, X: Any, device: torch.device, whole: bool) -> Look:
    """Score X (3, h, w), a tensor or `Pieces`, block by block. `output` and `parts` are None unless `whole`. ValueError if the
    halo is too wide."""
    around = halo(scorer, F)
    if around is None:
        raise ValueError("a pixel of the heatmap depends on too much of the image to divide it")
    height, width = X.shape[-2:]
    heatmap = torch.empty(1, height, width)
    output: Tensor | None = None
    parts: Tensor | None = None
    weights, highest = None, -torch.inf
    for rows, columns in _blocks(height, width):
        wide = _wider(rows, around, height), _wider(columns, around, width)
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


def _wider(part: slice, around: int, side: int) -> slice:
    return slice(max(0, part.start - around), min(side, part.stop + around))
