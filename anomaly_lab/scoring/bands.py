"""Octave bands of an image's reconstruction error: their local energies, on a grid of 4 px.

Each band is what averaging over 2 × 2 pixels takes away (a Laplacian pyramid). The last band is what is left.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from anomaly_lab.scoring.heatmap import reflected, smooth

BANDS = 5  # octaves: from single pixels to structures wider than 16 px
LEVEL = 2  # energies are compared on a grid of 2² = 4 px: they are averaged over about that anyway
SPREAD = 0.75  # grid points: energies are averaged over a Gaussian of this σ, 3 px


class Observed(NamedTuple):
    """What a normal error is fitted to: one image and its reconstruction, on a grid of 4 px, a tenth of their memory."""

    error: Tensor  # (1, BANDS, h', w'), band energies of F(X) − X
    output: Tensor  # (1, BANDS, h', w'), band energies of F(X)
    brightness: Tensor  # (1, 1, h', w'), mean of F(X) over channels


def observed(X: Tensor, output: Tensor) -> Observed:
    """An image X and its reconstruction F(X), both (3, h, w) in [0, 1], as a fit needs them."""
    return Observed(band_energies((output - X)[None]), band_energies(output[None]), brightness(output[None]))


def halved(seen: Observed) -> tuple[Observed, Observed]:
    """The left and the right half of an image."""
    middle = seen.brightness.shape[-1] // 2
    return Observed(*(x[..., :middle] for x in seen)), Observed(*(x[..., middle:] for x in seen))


def brightness(output: Tensor) -> Tensor:
    """The mean over channels and blocks of 4 × 4 px: (B, 3, h, w) → (B, 1, h', w')."""
    return F.avg_pool2d(_padded(output.mean(1, keepdim=True)), 2**LEVEL)


def band_energies(x: Tensor) -> Tensor:
    """(B, C, h, w) → (B, BANDS, h', w'): local mean squares of the octave bands, averaged over channels.

    The grid of 4 px covers the image, enlarged by reflection to multiples of 16 px.
    """
    x = _padded(x)
    grid = [side // 2**LEVEL for side in x.shape[-2:]]
    energies = []
    for level in range(BANDS):
        last = level == BANDS - 1
        coarse = x if last else F.avg_pool2d(x, 2)
        band = x if last else x - F.interpolate(coarse, scale_factor=2, mode="bilinear")
        energy = F.avg_pool2d(band.square().mean(1), 2 ** max(0, LEVEL - level))
        energies.append(F.interpolate(energy[:, None], size=grid, mode="bilinear"))
        x = coarse
    return smooth(torch.cat(energies, 1).flatten(0, 1), SPREAD).unflatten(0, (-1, BANDS))


def _padded(x: Tensor) -> Tensor:
    """Whole blocks at every level: a remainder at the edge would shift the coarse bands against the fine ones."""
    block = 2 ** (BANDS - 1)
    if all(side % block == 0 for side in x.shape[-2:]):
        return x
    rows, columns = (reflected(torch.arange(-(-side // block) * block, device=x.device), side) for side in x.shape[-2:])
    return x[..., rows, :][..., columns]
