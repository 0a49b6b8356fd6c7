"""Elastic corruption of a whole batch at once, where it is trained on: for a card that outruns what the processors corrupt.

X̂ and M as `corruption.LocalCorruption` makes them with `Elastic`, from the same ranges, with the same guarantees, and drawn on
the device's own random stream. Two things differ, for the sake of one pass over all images: outlines are computed instead
of drawn, and deformed content may come from beyond the patch's border (at the image's border it is reflected in both).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from anomaly_lab.corruption import MIN_CHANGE, MIN_PATCH, Range, require_ranges

SHAPES = ("blob", "ellipse", "rectangle")
MODES = 5  # Fourier modes of a blob's radius


class ElasticOnDevice:
    """(X (B, 3, h, w) in [0, 1], seed) → X̂ of the same shape, M (B, 1, h, w) of 0 and 1. Arguments as `LocalCorruption`'s and
    `Elastic`'s; ValueError for shapes that it does not know, and ranges that are none."""

    def __init__(
        self,
        amplitude: Range = (2.0, 8.0),
        smoothness: Range = (4.0, 16.0),
        count: tuple[int, int] = (1, 3),
        size: Range = (0.1, 0.5),
        shapes: Sequence[str] = SHAPES,
        brightness: Range = (0.05, 0.25),
        brightness_share: float = 0.5,
    ) -> None:
        if unknown := set(shapes) - set(SHAPES):
            raise ValueError(f"unknown shapes {sorted(unknown)}: there are {sorted(SHAPES)}")
        require_ranges(count=(count, 1, math.inf), size=(size, 1e-3, 1), brightness=(brightness, 0, 1))
        self.amplitude, self.smoothness, self.count, self.size = amplitude, smoothness, count, size
        self.shapes, self.brightness, self.brightness_share = list(shapes), brightness, brightness_share

    @torch.no_grad()
    def __call__(self, X: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        rng = Generator(X.device).manual_seed(seed)
        X_hat, M = X.clone(), torch.zeros_like(X[:, :1], dtype=torch.bool)
        count = torch.randint(self.count[0], self.count[1] + 1, (len(X), 1, 1, 1), generator=rng, device=X.device)
        for number in range(self.count[1]):
            shape = self._shape(X, rng)
            patch = self._brightened(self._deformed(X, rng), rng)
            flat = ((patch - X).abs() * shape).amax((1, 2, 3), keepdim=True) < MIN_CHANGE  # moved about, it is the same
            sign = torch.where(X < 0.5, 1.0, -1.0)
            low, high = max(self.brightness[0], 2 * MIN_CHANGE), max(self.brightness[1], 4 * MIN_CHANGE)
            patch = torch.where(flat, X + sign * _uniform((low, high), X, rng), patch).clamp(0, 1)
            shape &= number < count
            X_hat, M = torch.where(shape, patch, X_hat), M | shape
        return X_hat, M.float()

    def _shape(self, X: Tensor, rng: Generator) -> Tensor:
        """Size, place and outline of a patch in each image: (B, 1, h, w) bool."""
        along = []
        for side in X.shape[-2:]:
            length = (_uniform(self.size, X, rng) * side).round().clamp(min(MIN_PATCH, side), side)
            start = (torch.rand(len(X), 1, 1, 1, generator=rng, device=X.device) * (side - length + 1)).floor()
            along.append((torch.arange(side, device=X.device) - start - (length - 1) / 2) / (length / 2))
        v, u = along[0].transpose(2, 3), along[1]  # (B, 1, h, 1), (B, 1, 1, w): in (−1, 1) inside of the patch
        inside = (v.abs() < 1) & (u.abs() < 1)
        squared = v**2 + u**2
        outlines = {
            "rectangle": lambda: inside,
            "ellipse": lambda: squared <= 1,
            "blob": lambda: squared <= self._radius(torch.atan2(v, u), X, rng) ** 2,
        }
        drawn = torch.stack([outlines[name]() for name in self.shapes])
        which = torch.randint(len(self.shapes), (len(X),), generator=rng, device=X.device)
        return drawn[which, torch.arange(len(X), device=X.device)]

    @staticmethod
    def _radius(angle: Tensor, X: Tensor, rng: Generator) -> Tensor:
        """Of a smooth closed curve that fits into the patch, at each angle: (B, 1, h, w), as `corruption.blob` has it."""
        mode = torch.arange(1, MODES + 1, device=X.device).view(-1, 1, 1)
        drawn: Any = {"size": (len(X), MODES, 1, 1), "generator": rng, "device": X.device}
        weight, phase = torch.randn(**drawn) * 0.25 / mode, torch.rand(**drawn) * 2 * math.pi

        def radius(angle: Tensor) -> Tensor:
            return (1 + (weight * torch.cos(mode * angle + phase)).sum(1, keepdim=True)).clamp_min(0.2)

        around = torch.linspace(0, 2 * math.pi, 65, device=X.device).view(1, 1, 1, -1)
        return radius(angle) / radius(around).amax(3, keepdim=True)

    def _deformed(self, X: Tensor, rng: Generator) -> Tensor:
        """Every image moved by a smooth random field: noise on a grid of `smoothness` pixels, bicubic in between."""
        batch, height, width = len(X), *X.shape[-2:]
        rows = torch.arange(height, device=X.device, dtype=X.dtype).view(1, -1, 1)
        columns = torch.arange(width, device=X.device, dtype=X.dtype).view(1, 1, -1)
        knots = math.ceil(max(height, width) / self.smoothness[0]) + 4
        noise = torch.randn(batch, 2, knots, knots, generator=rng, device=X.device)
        spacing = _uniform(self.smoothness, X, rng)[:, 0]
        first = 1 + torch.rand(2, batch, 1, 1, generator=rng, device=X.device)
        at = _grid(rows / spacing + first[0], columns / spacing + first[1], knots, knots)
        # between unit-variance knots bicubic interpolation has a standard deviation of about .83
        field = F.grid_sample(noise, at, "bicubic", align_corners=True) / 0.83 * _uniform(self.amplitude, X, rng)
        return F.grid_sample(X, _grid(rows + field[:, 0], columns + field[:, 1], height, width), "bilinear", "reflection", True)

    def _brightened(self, patch: Tensor, rng: Generator) -> Tensor:
        shift = _uniform(self.brightness, patch, rng) * (2 * torch.randint_like(patch[:, :1, :1, :1], 2, generator=rng) - 1)
        chosen = _uniform((0.0, 1.0), patch, rng) < self.brightness_share
        return (patch + shift * chosen).clamp(0, 1)


def _uniform(limits: Range, X: Tensor, rng: Generator) -> Tensor:
    """A number an image, (B, 1, 1, 1)."""
    low, high = limits
    return low + (high - low) * torch.rand(len(X), 1, 1, 1, generator=rng, device=X.device)


def _grid(rows: Tensor, columns: Tensor, height: int, width: int) -> Tensor:
    """Places in pixels (B, h, w) as `grid_sample` wants them with align_corners: (B, h, w, 2), x first, in [−1, 1]."""
    y, x = 2 * rows / (height - 1) - 1, 2 * columns / (width - 1) - 1
    return torch.stack(torch.broadcast_tensors(x, y), -1)
