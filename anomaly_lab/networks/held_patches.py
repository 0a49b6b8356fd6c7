"""Patch AE whose features are held near those it began with: training may turn them, but not let them collapse.

Trained by reconstruction alone, features of normal patches lose most of their dimensions (experiments/patch_ae). The terms
that hold them are ours. The last two follow the idea of VICReg (Bardes et al. 2022), section 4.1, but compare with the start.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anomaly_lab.networks.efficientnet_lite import Encoder
from anomaly_lab.networks.patch_autoencoder import PatchAutoencoder


class HeldPatchAutoencoder(PatchAutoencoder):
    """Patch AE with the loss mean (F(X̂) − X̂)² + hold · d + variance · v + covariance · c.

    With V the vectors of X̂ in units of the spread of normal vectors, V₀ those of the encoder as it began, over n vectors:
    d = mean (V − V₀)², v = mean over channels of max(0, 1 − σ(V)/σ(V₀)), c = mean squared difference of the correlations of V
    and V₀. All are 0 where nothing has been learnt. ValueError as for `PatchAutoencoder`, and for a weight below 0.
    """

    def __init__(self, hold: float, variance: float, covariance: float, **options: Any) -> None:
        super().__init__(**options)
        for name, weight in (("hold", hold), ("variance", variance), ("covariance", covariance)):
            if weight < 0:
                raise ValueError(f"model.{name} is {weight}: it must be at least 0")
        self.weights = (hold, variance, covariance)
        self.first = Encoder().requires_grad_(False)

    @torch.no_grad()
    def begin(self, images: Iterable[Tensor]) -> None:
        """As Patch AE begins; the encoder as it is then stays in `first`."""
        super().begin(images)
        self.first.load_state_dict(self.encoder.state_dict())

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """The loss of X̂ (B, 3, H, W); X and M are not used. A scalar."""
        V = self.encode(X_hat)
        with torch.no_grad(), torch.autocast(X_hat.device.type, enabled=False):
            V0 = self.first(X_hat.float())
        reconstruction = F.mse_loss(self.decode(V, X_hat.shape), X_hat.float())
        terms = apart(self._units(V), self._units(V0))
        return reconstruction + sum(weight * term for weight, term in zip(self.weights, terms, strict=True))

    def _units(self, V: Tensor) -> Tensor:
        """Vectors (B, C, h', w') → (n, C) in units of the spread of normal vectors."""
        return ((V.float() - self.decoder.mean) / self.decoder.std).transpose(0, 1).flatten(1).T


def apart(V: Tensor, V0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far vectors V (n, C) are from where they began, V₀ (n, C): the terms d, v, c of `HeldPatchAutoencoder`."""
    spread, spread0 = (values.std(0, correction=0).clamp_min(1e-4) for values in (V, V0))
    standard, standard0 = ((values - values.mean(0)) / s for values, s in ((V, spread), (V0, spread0)))
    correlation, correlation0 = (values.T @ values / len(values) for values in (standard, standard0))
    return (V - V0).square().mean(), (1 - spread / spread0).relu().mean(), (correlation - correlation0).square().mean()
