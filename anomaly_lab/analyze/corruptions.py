"""The corruptions of the transfer curve: kinds, sizes, strengths and opacities, one varied at a time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from anomaly_lab.corruption.contents import Blur, Content, Cutout, Elastic, Swap, Texture
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.corruption.painting import Tone
from anomaly_lab.data.pairs import corrupted_pair

SIZES = (0.125, 0.25, 0.5)  # sides of the patch, as shares of the image's
OPACITIES = (0.25, 0.5, 1.0)
SIZE, OPACITY = 0.25, 1.0  # what stays while another is varied
TEXTURE = "texture"  # a foreign texture, from which the iterates start

# kind → (strengths, from weak to strong, the middle one first; strength → content). No strength: the content has none
KINDS: dict[str, tuple[tuple[float, ...], Callable[[float], Content]]] = {
    "elastic": ((4, 2, 8), lambda pixels: Elastic((pixels, pixels), (8, 8))),  # standard deviation of the displacement
    "blur": ((2, 1, 4), lambda pixels: Blur((pixels, pixels))),  # standard deviation of the Gaussian
    "light": ((1, 0.5, 2), lambda spread: Tone((spread, spread), (1, 1))),  # shift, in standard deviations of the image
    "swap": ((1,), lambda _: Swap()),
    "cutout": ((1,), lambda _: Cutout(0.0)),
    TEXTURE: ((1,), lambda _: Texture((6, 6), (1, 1))),
}


class Cell(NamedTuple):
    """One corruption: an elliptic patch of `kind`, with sides of `size` times the image's, blended in with `opacity`."""

    kind: str
    size: float
    strength: float
    opacity: float

    @property
    def name(self) -> str:
        """For the record: kind, size, strength, opacity."""
        return f"{self.kind} {self.size:g} {self.strength:g} {self.opacity:g}"


def base(kind: str) -> Cell:
    """The cell from which the others of a kind differ in one entry."""
    return Cell(kind, SIZE, KINDS[kind][0][0], OPACITY)


def cells() -> Iterator[Cell]:
    """Every cell once, those of `base` first."""
    yield from map(base, KINDS)
    for kind, (strengths, _) in KINDS.items():
        own = base(kind)
        yield from (own._replace(size=size) for size in SIZES if size != SIZE)
        yield from (own._replace(opacity=opacity) for opacity in OPACITIES if opacity != OPACITY)
        yield from (own._replace(strength=strength) for strength in strengths[1:])


def corrupted(X: Tensor, cell: Cell, seed: int) -> tuple[Tensor, Tensor]:
    """X (1, 3, h, w) in [0, 1] → X̂, and M (1, 1, h, w). Cells of one kind and size have the same place and shape for a seed."""
    content = KINDS[cell.kind][1](cell.strength)
    size = (cell.size, cell.size)
    corruption = LocalCorruption([content], (1, 1), size, ["ellipse"], (0.05, 0.05), 0.0, 1.0)
    stored = np.ascontiguousarray(X[0].permute(1, 2, 0).cpu().numpy())
    pair = corrupted_pair(stored, corruption, np.random.default_rng(seed))
    X_hat, M = pair["X_hat"][None].to(X), pair["M"][None].to(X)
    return torch.lerp(X, X_hat, cell.opacity), M
