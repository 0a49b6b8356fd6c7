"""scoring.evidence=mahalanobis: how unusual a reconstruction error is, compared with held-out normal images.

A normal image has errors too: along edges and in fine structure, but hardly in flat places. In a plain squared error, these
hide smaller errors elsewhere. So the error is split into octave bands. The local energy of each band is compared, on a
logarithmic scale, with places of normal images where the reconstruction looks alike. The result is a Mahalanobis distance.

Fit on held-out images: errors on training images are smaller (half, with seven images). Unusually small errors count too: a
blurred defect is reconstructed too well.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.scoring.bands import BANDS, LEVEL, Observed, band_energies, brightness, halved, observed
from anomaly_lab.scoring.forward import Forward, NormalImages, folds
from anomaly_lab.scoring.heatmap import smooth
from anomaly_lab.scoring.light import lit_differently

FIT = 16  # held-out images for a fit: at 512² they have 3·10⁵ grid points, and more images change nothing
BRIEF = 4  # held-out images for a fit during training; more would only cost time
FLOOR = 0.01  # added to energies relative to the band's mean: smaller differences mean nothing
SMALLEST = 1e-7  # smallest mean energy of a band: a tenth of the energy of rounding to 8 bits
RIDGE = 1e-3  # ridge of the regression, for each grid point
VARIANCE = 0.01  # added to the variances: a band that hardly varies must not decide alone


class NormalError(nn.Module):
    """Mean and covariance of the log band energies of F(X) − X. The mean is a quadratic function of the look of F(X).

    After `fit` on normal images, (X, F(X)) gives the Mahalanobis distance divided by √`BANDS`. On the images of the fit, its
    mean square is about 1.
    """

    reach = 64  # pixels: the coarsest band averages over 16, is interpolated, then averaged over 12 around
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
        """Ridge regression of the log energies, and the covariance of its residuals. ValueError without images."""
        if not images:
            raise ValueError("there is no normal image for a fit of the normal error")
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

    def learn(self, F: Forward, normal: NormalImages, brief: bool) -> list["NormalError | Halves"]:
        """Fit on held-out normal images. Returns for each of them a model that was not fitted on it (cross-fitting).

        An image looks too normal to a model fitted on it: thresholds from nine images scored by their own model flagged a
        third of new normal images. If there is one image, each half is scored by a model of the other half.
        If `brief`, during training, the fit uses `BRIEF` images without copies in other light, and the list is empty.
        """
        if brief:
            self.fit([self._seen(F, X) for _, X in normal.held_out_images(BRIEF)])
            return []
        random, seen = torch.Generator().manual_seed(0), {}
        for place, X in normal.held_out_images(FIT):
            seen[place] = [self._seen(F, x) for x in (X, *lit_differently(X, random))]
        self.fit([image for images in seen.values() for image in images])
        if len(normal.held_out) == 1:
            left, right = zip(*(halved(image) for image in seen[0]), strict=True)
            return [Halves(self._fitted(left), self._fitted(right))]
        models: list[NormalError | Halves] = [self] * len(normal.held_out)  # images beyond `FIT` are in no fit
        for part, rest in folds(seen):
            others = self._fitted([image for place in rest for image in seen[place]])
            for place in part:
                models[place] = others
        return models

    def _seen(self, F: Forward, X: Tensor) -> Observed:
        """X (3, h, w) and its reconstruction, on this model's device."""
        X = X.to(self.weights.device)
        return observed(X, F(X[None])[0])

    def _fitted(self, images: Sequence[Observed]) -> "NormalError":
        """A new model, fitted on these images."""
        model = NormalError().to(self.weights.device)
        model.fit(images)
        return model

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """X and F(X), (B, 3, h, w) → distance (B, h, w), smoothed with a Gaussian of `sigma` pixels."""
        expected = torch.einsum("bchw,ck->bkhw", self._conditions(brightness(output), band_energies(output)), self.weights)
        z = _log(band_energies(output - X), self.error_scale) - expected
        squared = torch.einsum("bkhw,kl,blhw->bhw", z, self.precision, z) / BANDS
        distance = squared.clamp_min(0).sqrt()  # smoothed squares would enlarge a defect
        rows, columns = (-(-side // 2**LEVEL) for side in X.shape[-2:])
        distance = _smoothed(distance[..., :rows, :columns], sigma / 2**LEVEL)
        full = functional.interpolate(distance[:, None], scale_factor=2**LEVEL, mode="bilinear")[:, 0]
        return full[..., : X.shape[-2], : X.shape[-1]]

    def _conditions(self, brightness: Tensor, energies: Tensor) -> Tensor:
        """The look of F(X) at each grid point: 1, brightness, log energies and their products, (B, conditions, h', w')."""
        look = torch.cat([4 * (brightness - 0.5), _log(energies, self.output_scale)], 1)  # all of order 1
        first, second = torch.triu_indices(look.shape[1], look.shape[1], device=look.device)
        return torch.cat([torch.ones_like(brightness), look, look[:, first] * look[:, second]], 1)


class Halves(nn.Module):
    """Scores the left half of an image with the model of its right half, and the right half with the model of its left half."""

    reach = math.inf  # a block of an image has other halves

    def __init__(self, left: NormalError, right: NormalError) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """As `NormalError.forward`."""
        middle = X.shape[-1] // 2
        halves = self.right(X, output, sigma)[..., :middle], self.left(X, output, sigma)[..., middle:]
        return torch.cat(halves, dim=-1)


def _exact(x: Tensor) -> Tensor:
    """(1, C, h', w') → (C, h'·w') in double precision, on the CPU, since not every device has doubles."""
    return x[0].flatten(1).cpu().double()


def _smoothed(distance: Tensor, sigma: float) -> Tensor:
    """Smooth (B, h', w') with a Gaussian of `sigma` grid points. Outside the image the distance is 1, the normal one.

    With reflection, errors at the border would count twice: it caused most of the highest values in normal images.
    """
    margin = math.ceil(4 * sigma)
    padded = smooth(functional.pad(distance - 1, (margin,) * 4), sigma)
    return 1 + padded[..., margin : margin + distance.shape[-2], margin : margin + distance.shape[-1]]


def _mean(energies: Sequence[Tensor]) -> Tensor:
    """The mean energies (BANDS,) over images and grid points, at least `SMALLEST`."""
    return torch.stack([e.mean((0, 2, 3)) for e in energies]).mean(0).clamp_min(SMALLEST)


def _log(energies: Tensor, scale: Tensor) -> Tensor:
    return torch.log(energies / scale.view(-1, 1, 1) + FLOOR)
