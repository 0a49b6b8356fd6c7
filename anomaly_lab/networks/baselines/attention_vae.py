"""Like CAVGA: where the latent of a variational autoencoder does not look, there is a defect.

Venkataramanan, Peng, Singh, Mahalanobis, "Attention guided anomaly localization in images", ECCV 2020. By Grad-CAM, with A_k
feature maps of the encoder and z the latent:

    α_k = mean over places of ∂(Σᵢ zᵢ)/∂A_k,   A = sigmoid(Σ_k α_k A_k),   map = 1 − A,   loss = −ELBO + w · mean(1 − A)

The last term, CAVGA's attention expansion loss, teaches z to look at all of a normal image.

Simplifications: no adversarial term (the paper's discriminator); the latent is flat and not convolutional; z is its mean; the
network is that of `vae` (the paper: ResNet-18). We read "normalised attention" as the sigmoid, without a ReLU before it. A_k
are the maps before the encoder's last two layers: from its very last maps z is linear, and α_k would be the same for every
image.
"""

import torch
from torch import Tensor
from torch.nn import functional

from anomaly_lab.networks.baselines.bottleneck import at_side, resized
from anomaly_lab.networks.baselines.vae import VAE
from anomaly_lab.networks.gradients import gradients

ATTENDED = 12  # modules of the encoder, up to the last that shrinks its input and its activation


class AttentionVAE(VAE):
    """`VAE` with the attention of its latent as its own map. `expansion`: w above, ≥ 0, else ValueError."""

    evidence = "attention"

    def __init__(self, side: int, latent: int, width: float, variance: float, expansion: float) -> None:
        super().__init__(side, latent, width, variance)
        if not expansion >= 0:
            raise ValueError(f"model.expansion is {expansion}: it must be 0 or above")
        self.expansion = expansion

    def split(self, X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """X (B, 3, side, side) → the features A_k (B, C, h', w'), and μ and log σ² (B, d), computed from them."""
        features = self.encoder[:ATTENDED](X)
        return features, *self.posterior(self.encoder[ATTENDED:](features))

    def attention(self, features: Tensor, mean: Tensor) -> Tensor:
        """A (B, h', w') in [0, 1] from the features A_k (B, C, h', w') and μ (B, d), computed from them."""
        (slope,) = torch.autograd.grad(mean.sum(), features, create_graph=True)
        weight = slope.float().mean((2, 3), keepdim=True)
        return torch.sigmoid((weight * features.float()).sum(1))

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """−ELBO + w · mean(1 − A) of X (B, 3, H, W) at `side`. No corruption is used."""
        X = resized(X, self.side)
        features, mean, log_variance = self.split(X)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        expanded = (1 - self.attention(features, mean)).mean()
        return self.negative_elbo(X, self.decoded(z), mean, log_variance) + self.expansion * expanded

    def examine(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """X (B, 3, h, w) → F(X) and the map 1 − A (B, h, w) in [0, 1]."""
        with gradients(X) as leaf:
            found = at_side(self._unattended, leaf, self.side)[:, 0].detach()
        return self(X), found

    def _unattended(self, X: Tensor) -> Tensor:
        """X (B, 3, side, side) → 1 − A, (B, 1, side, side)."""
        features, mean, _ = self.split(X)
        A = self.attention(features, mean)
        return functional.interpolate(1 - A[:, None], size=X.shape[-2:], mode="bilinear", align_corners=False)
