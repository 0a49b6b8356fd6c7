"""Several maps of evidence in one heatmap.

Maps have units of their own: squared brightness, a Mahalanobis distance. So each value is replaced by its rarity on held-out
normal images, in decades: 2 for a value that one normal pixel in a hundred reaches. The heatmap is the weighted mean:

    heatmap = Σₖ wₖ rₖ / Σₖ wₖ,   rₖ = −log₁₀ (share of normal pixels whose ℓₖ is higher),   ℓₖ = log(hₖ / aₖ + FLOOR)

aₖ is the mean of the map hₖ over pixels of held-out normal images. Beyond `DECADES` few normal pixels are left: there the share
falls exponentially, with the mean excess of those few. If the maps were independent, Σ rₖ would be Fisher's test of all of them
together. The weights wₖ are equal, or given.

A threshold comes from the levels of held-out images. They must not be measured in units of their own: no value of an image is
rarer than one among its own pixels, but one of a new image can be. So each held-out image gets a fusion with units of others.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.forward import Forward, NormalImages, folds

IMAGES = 16  # held-out images from which the units come; with more, they change by less than a hundredth
BRIEF = 4  # during training; more would only cost time
FLOOR = 0.01  # of a map's mean: smaller differences mean nothing, and the logarithm of 0 is infinite
DECADES = 3  # the end of the table: 60 pixels of one image of 256² are beyond
KNOTS = 64  # entries of the table, evenly spaced in decades
NARROWEST = 1e-3  # smallest mean excess of a logarithm: a map that is constant on normal images must not decide alone


class Fusion(nn.Module):
    """The mean of the rarities of `maps`. A single map stays as it is: units would not change the order of its values.

    `maps`: functions or modules (X, F(X), sigma) → (B, h, w) ≥ 0, see `errors`. `weights`: one positive number for each; None
    for equal ones. ValueError if there is no map, or the weights don't fit.
    """

    units: Tensor

    def __init__(self, maps: Sequence[Any], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not maps:
            raise ValueError("scoring.evidence is empty: a heatmap needs at least one map")
        self.maps, self.weights = list(maps), [1.0] * len(maps) if weights is None else list(weights)
        if len(self.weights) != len(maps) or min(self.weights) <= 0:
            raise ValueError(
                f"scoring.weights is {weights}: give null, or a positive number for each of the {len(maps)} maps of evidence"
            )
        learnt = {getattr(m, "called", type(m).__name__): m for m in maps if isinstance(m, nn.Module)}
        if len(learnt) < sum(isinstance(m, nn.Module) for m in maps):
            raise ValueError(f"scoring.evidence has {', '.join(learnt)} twice: name each once")
        self.learnt = nn.ModuleDict(learnt)  # so that checkpoints hold their weights, by their names
        self.register_buffer("units", torch.full((len(self.maps), 2 + KNOTS), torch.nan))  # rows: see `_units`
        self.right_units: Tensor | None = None  # of the right half of images, where it has units of its own

    def begin(self, light: Sequence[float]) -> None:
        """Let maps with initial weights load them. `light`: see `Preprocessing.light`."""
        for each in self.maps:
            if hasattr(each, "begin"):
                each.begin(light)

    @torch.no_grad()
    def learn(self, F: Forward, normal: NormalImages, sigma: float, brief: bool) -> list["Fusion"]:
        """Let the maps learn, then take the units from held-out images.

        Returns for each held-out image a fusion whose maps and units have not learnt from it; of a single one, each half has
        the units of the other half. The list is empty if `brief`.
        """
        known = [m.learn(F, normal, brief) if hasattr(m, "learn") else None for m in self.maps]
        count = 0 if brief else len(normal.held_out)
        others = [self._with([k[i] if k else m for m, k in zip(self.maps, known, strict=True)]) for i in range(count)]
        if len(self.maps) > 1:
            seen = normal.held_out_images(BRIEF if brief else IMAGES)
            levels = {i: (self if brief else others[i])._levels(F, X, sigma) for i, X in seen}
            self.units.copy_(_units_of(levels.values()))
            if not brief:
                self._cross_fit(others, levels)
        return others

    def _cross_fit(self, others: list["Fusion"], levels: Mapping[int, Tensor]) -> None:
        """Give each of `others`, by number, units without the `levels` (K, h, w) of its image."""
        for other in others:
            other.units = self.units  # images that are in no unit
        for i in levels:
            others[i] = Fusion(others[i].maps, self.weights)
        if len(levels) == 1:
            ((i, of_one),) = levels.items()
            left, right = _halves(of_one)
            others[i].units, others[i].right_units = _units_of([right]).to(self.units), _units_of([left]).to(self.units)
            return
        for part, rest in folds(levels):
            units = _units_of([levels[place] for place in rest]).to(self.units)
            for place in part:
                others[place].units = units

    def loss(self, X: Tensor) -> Tensor | None:
        """The sum of the losses of maps that learn by gradient, on normal crops X (B, 3, h, w); None if none does."""
        losses = [m.loss(X) for m in self.maps if hasattr(m, "loss")]
        return torch.stack(losses).sum() if losses else None

    def _with(self, maps: Sequence[Any]) -> "Fusion":
        """This fusion with other maps, if they are others."""
        return self if all(a is b for a, b in zip(maps, self.maps, strict=True)) else Fusion(maps, self.weights)

    def _levels(self, F: Forward, X: Tensor, sigma: float) -> Tensor:
        """The values (K, h, w) of the maps on X (3, h, w)."""
        X = X[None].to(self.units.device)
        output = F(X)
        return torch.cat([m(X, output, sigma) for m in self.maps]).cpu()

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """X and F(X), (B, 3, h, w) in [0, 1] → the heatmap (B, h, w), and the maps' rarities, (B, K, h, w)."""
        if len(self.maps) == 1:
            heatmap = self.maps[0](X, output, sigma)
            return heatmap, heatmap[:, None]
        maps = torch.stack([m(X, output, sigma) for m in self.maps], 1)
        if self.right_units is None:
            parts = _rarities(maps, self.units)
        else:
            halves = zip(_halves(maps), (self.units, self.right_units), strict=True)
            parts = torch.cat([_rarities(half, units) for half, units in halves], -1)
        weights = parts.new_tensor(self.weights)
        return torch.einsum("bkhw,k->bhw", parts, weights / weights.sum()), parts


def _halves(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The left and the right half of maps (…, h, w)."""
    middle = maps.shape[-1] // 2
    return maps[..., :middle], maps[..., middle:]


def _units_of(images: Iterable[Tensor]) -> Tensor:
    """`_units` of the maps (K, h, w) of several images."""
    return _units([torch.cat(of_map) for of_map in zip(*(maps.flatten(1) for maps in images), strict=True)])


def _units(levels: Sequence[Tensor]) -> Tensor:
    """For maps with these values on normal pixels: rows of aₖ, the excess of ℓₖ for a decade, and the table, (K, 2 + KNOTS).

    Entry i of the table is the value of ℓₖ with the rarity i / (KNOTS − 1) · DECADES.
    """
    shares = 1 - 10 ** -torch.linspace(0, DECADES, KNOTS, dtype=torch.float64)
    found = []
    for values in levels:
        a = values.double().mean().clamp_min(torch.finfo(torch.float32).tiny)
        logs = torch.log(values.double() / a + FLOOR).sort().values
        table = logs[(shares * (len(logs) - 1)).long()]
        excess = (logs[logs >= table[-1]] - table[-1]).mean().clamp_min(NARROWEST) * math.log(10)
        found.append(torch.cat([torch.stack([a, excess]), table]))
    return torch.stack(found).float()


def _rarities(maps: Tensor, units: Tensor) -> Tensor:
    """The rarities of maps (B, K, h, w)."""
    return torch.stack([_rarity(torch.log(maps[:, k] / u[0] + FLOOR), u) for k, u in enumerate(units)], 1)


def _rarity(logs: Tensor, units: Tensor) -> Tensor:
    """The rarity of values of ℓₖ, of any shape, by a row of `_units`: 0 for the lowest normal value, without an upper limit."""
    excess, table = units[1], units[2:].contiguous()
    i = torch.bucketize(logs, table).clamp(1, KNOTS - 1)  # the first of equal entries: a constant map has rarity 0
    low, high = table[i - 1], table[i]
    part = ((logs - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    inside = (i - 1 + part) * (DECADES / (KNOTS - 1))
    return torch.where(logs > table[-1], DECADES + (logs - table[-1]) / excess, inside)
