"""Local energies of the octave bands of an image, on a grid of 4 px.

A band is the difference between an image and its average over 2 × 2 pixels. The next band comes from that average, and the last
band is the coarsest average itself (a Laplacian pyramid).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from anomaly_lab.scoring.heatmap import reflected, smooth

BANDS = 5  # octaves: from single pixels to structures wider than 16 px
LEVEL = 2  # the grid has 2² = 4 px, about the width over which energies are averaged
SPREAD = 0.75  # σ of the Gaussian over which energies are averaged, in grid points: 3 px


class Observed(NamedTuple):
    """One image and its reconstruction, as a normal error is fitted to them. They take a tenth of the memory of X and F(X)."""

    error: Tensor  # (1, BANDS, h', w'): band energies of F(X) − X
    output: Tensor  # (1, BANDS, h', w'): band energies of F(X)
    brightness: Tensor  # (1, 1, h', w'): mean of F(X) over channels


def observed(X: Tensor, output: Tensor) -> Observed:
    """From X and F(X), both (3, h, w) in [0, 1]."""
    return Observed(band_energies((output - X)[None]), band_energies(output[None]), brightness(output[None]))


def halved(seen: Observed) -> tuple[Observed, Observed]:
    """The left half and the right half of an image."""
    middle = seen.brightness.shape[-1] // 2
    return Observed(*(x[..., :middle] for x in seen)), Observed(*(x[..., middle:] for x in seen))


def brightness(output: Tensor) -> Tensor:
    """Mean over channels and blocks of 4 × 4 px: (B, 3, h, w) → (B, 1, h', w')."""
    return F.avg_pool2d(_padded(output.mean(1, keepdim=True)), 2**LEVEL)


def band_energies(x: Tensor) -> Tensor:
    """Local mean squares of the octave bands, averaged over channels: (B, C, h, w) → (B, BANDS, h', w').

    The grid covers the image, enlarged by reflection to multiples of 16 px.
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
    """Enlarge to whole blocks at every level: incomplete blocks would shift coarse bands against fine ones."""
    block = 2 ** (BANDS - 1)
    if not torch.compiler.is_exporting() and all(side % block == 0 for side in x.shape[-2:]):  # there the sides may be open
        return x
    rows, columns = (reflected(torch.arange(-(-side // block) * block, device=x.device), side) for side in x.shape[-2:])
    return x[..., rows, :][..., columns]
