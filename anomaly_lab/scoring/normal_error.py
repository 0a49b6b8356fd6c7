"""What reconstruction error is normal, and where: a model of the error's local energy given the reconstruction.

No network restores everything: along edges and in fine structure a normal image has errors too, in flat places nearly none,
and slow errors are far rarer than fine ones. A plain squared error lets the largest of these hide the others. Here the error
is split into octave bands, its local energy in each is compared, on a logarithmic scale, with what held-out normal images
showed where the reconstruction looked alike, and the result is a Mahalanobis distance. (Held-out: the images that a network
was trained on have smaller errors, by half where there were seven.) More error than normal counts, and so does less: a blurred
place is reconstructed too well.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.scoring.heatmap import reflected, smooth

BANDS = 5  # octaves: from single pixels to what is wider than 16 px
LEVEL = 2  # energies are compared on a grid of 2² = 4 px: they are averaged over about that anyway
SPREAD = 0.75  # grid points: energies are averaged over a Gaussian of this σ, 3 px
FLOOR = 0.01  # of a band's mean energy: below it, differences on the logarithmic scale mean nothing
SMALLEST = 1e-7  # least mean energy of a band: a tenth of what rounding to 8 bits leaves, above the noise of arithmetic
RIDGE = 1e-3  # on the regression's normal equations, for each pixel
VARIANCE = 0.01  # added to the variances: a band that hardly varies must not decide alone


class Observed(NamedTuple):
    """What a fit needs of an image and its reconstruction, on a grid of 4 px: a tenth of their memory."""

    error: Tensor  # (1, BANDS, h', w'), band energies of F(X) − X
    output: Tensor  # (1, BANDS, h', w'), of F(X)
    brightness: Tensor  # (1, 1, h', w'), of F(X)


def observed(X: Tensor, output: Tensor) -> Observed:
    """Of a pair of (3, h, w) in [0, 1]."""
    return Observed(band_energies((output - X)[None]), band_energies(output[None]), _brightness(output[None]))


def halved(seen: Observed) -> tuple[Observed, Observed]:
    """Of an image's left and of its right half."""
    middle = seen.brightness.shape[-1] // 2
    return Observed(*(x[..., :middle] for x in seen)), Observed(*(x[..., middle:] for x in seen))


class ResidualModel(nn.Module):
    """Mean and covariance of log band energies of F(X) − X, the mean a quadratic function of what F(X) looks like there.

    `fit` on clean images first; then (X, F(X)) → Mahalanobis distance over √bands, its mean square 1 on what it was fitted to.
    """

    error_scale: Tensor
    output_scale: Tensor
    weights: Tensor
    precision: Tensor

    def __init__(self) -> None:
        super().__init__()
        looks = BANDS + 1
        conditions = 1 + looks + looks * (looks + 1) // 2
        self.register_buffer("error_scale", torch.full((BANDS,), torch.nan))
        self.register_buffer("output_scale", torch.full((BANDS,), torch.nan))
        self.register_buffer("weights", torch.full((conditions, BANDS), torch.nan))
        self.register_buffer("precision", torch.full((BANDS, BANDS), torch.nan))

    @torch.no_grad()
    def fit(self, images: Sequence[Observed]) -> None:
        """Learn from what was observed of clean images; sizes may differ.

        Ridge regression of the log energies, and the covariance of what it leaves. ValueError without any image.
        """
        if not images:
            raise ValueError("there is no normal image to learn the normal error from")
        self.error_scale.copy_(_mean([of_one.error for of_one in images]))
        self.output_scale.copy_(_mean([of_one.output for of_one in images]))
        products = []
        for of_one in images:
            x = _exact(self._conditions(of_one.brightness, of_one.output))  # (conditions, places)
            y = _exact(_log(of_one.error, self.error_scale))  # (bands, places)
            products.append((x @ x.T, x @ y.T, y @ y.T))
        A, B, C = (torch.stack(parts).sum(0) for parts in zip(*products, strict=True))
        pixels = sum(of_one.brightness.numel() for of_one in images)
        W = torch.linalg.solve(A + RIDGE * pixels * torch.eye(len(A)), B)
        covariance = (C - W.T @ B - B.T @ W + W.T @ A @ W) / pixels
        self.weights.copy_(W)
        self.precision.copy_(torch.linalg.inv(covariance + VARIANCE * torch.eye(BANDS)))

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """(B, 3, h, w) and its reconstruction → (B, h, w), smoothed by a Gaussian of `sigma` pixels."""
        expected = torch.einsum("bchw,ck->bkhw", self._conditions(_brightness(output), band_energies(output)), self.weights)
        z = _log(band_energies(output - X), self.error_scale) - expected
        squared = torch.einsum("bkhw,kl,blhw->bhw", z, self.precision, z) / BANDS
        distance = squared.clamp_min(0).sqrt()  # squares, smoothed, spread a defect's peak over its surroundings
        rows, columns = (-(-side // 2**LEVEL) for side in X.shape[-2:])
        distance = _smoothed(distance[..., :rows, :columns], sigma / 2**LEVEL)
        full = F.interpolate(distance[:, None], scale_factor=2**LEVEL, mode="bilinear")[:, 0]
        return full[..., : X.shape[-2], : X.shape[-1]]

    def _conditions(self, brightness: Tensor, energies: Tensor) -> Tensor:
        """What F(X) looks like, from its brightness and band energies: a constant, brightness, log energies, and their products
        (B, conditions, h', w')."""
        look = torch.cat([4 * (brightness - 0.5), _log(energies, self.output_scale)], 1)  # all of them of order 1
        first, second = torch.triu_indices(look.shape[1], look.shape[1], device=look.device)
        return torch.cat([torch.ones_like(brightness), look, look[:, first] * look[:, second]], 1)


class Halves(nn.Module):
    """Scores the left half of an image by what `right` was fitted to, and the right half by what `left` was: where there is but
    one image, neither is scored by itself."""

    def __init__(self, left: ResidualModel, right: ResidualModel) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """As of a ResidualModel."""
        middle = X.shape[-1] // 2
        halves = self.right(X, output, sigma)[..., :middle], self.left(X, output, sigma)[..., middle:]
        return torch.cat(halves, dim=-1)


def _brightness(output: Tensor) -> Tensor:
    """(B, 3, h, w) → (B, 1, h', w')."""
    return F.avg_pool2d(_padded(output.mean(1, keepdim=True)), 2**LEVEL)


def _exact(x: Tensor) -> Tensor:
    """(1, C, h', w') → (C, h'·w') in double precision, on the processor: not every device has it."""
    return x[0].flatten(1).cpu().double()


def band_energies(x: Tensor) -> Tensor:
    """(B, C, h, w) → (B, BANDS, h', w'): local mean squares of the octave bands, averaged over channels, on a grid of 4 px
    over the image, enlarged by reflection to multiples of 16.

    Each band is what averaging over 2 × 2 pixels takes away (a Laplacian pyramid); the last is what is left.
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


def _smoothed(distance: Tensor, sigma: float) -> Tensor:
    """(B, h', w') by a Gaussian of `sigma` grid points, with the normal distance, 1, outside of the image.

    Reflection, usual for images, counts what lies at a border twice: most of the highest values in normal images were there.
    """
    margin = math.ceil(4 * sigma)
    padded = smooth(F.pad(distance - 1, (margin,) * 4), sigma)
    return 1 + padded[..., margin : margin + distance.shape[-2], margin : margin + distance.shape[-1]]


def _padded(x: Tensor) -> Tensor:
    """Whole blocks at every level: a remainder at the edge would shift the coarse bands against the fine ones."""
    block = 2 ** (BANDS - 1)
    if all(side % block == 0 for side in x.shape[-2:]):
        return x
    rows, columns = (reflected(torch.arange(-(-side // block) * block, device=x.device), side) for side in x.shape[-2:])
    return x[..., rows, :][..., columns]


def _mean(energies: Sequence[Tensor]) -> Tensor:
    """(BANDS,): over images and places; at least `SMALLEST`."""
    return torch.stack([e.mean((0, 2, 3)) for e in energies]).mean(0).clamp_min(SMALLEST)


def _log(energies: Tensor, scale: Tensor) -> Tensor:
    return torch.log(energies / scale.view(-1, 1, 1) + FLOOR)
