"""A variational autoencoder, scored by its reconstruction error.

Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014; as a detector of defects in An and Cho, "Variational
autoencoder based anomaly detection using reconstruction probability", 2015, and in many comparisons since. The loss is the
negative evidence lower bound (ELBO), with a Gaussian of fixed variance s² for each value of the image and a standard normal
prior:

    −ELBO = E_{z∼q} ‖X − D(z)‖² / (2s²) + KL(q(z|X) ‖ N(0, I)),   q(z|X) = N(μ(X), diag σ²(X))

Simplifications: one draw of z a step; in testing F(X) = D(μ(X)), and the map is the squared error, not the probability over
many draws. Layers are those of AE_L2.
"""

import torch
from torch import Tensor, nn

from anomaly_lab.networks.baselines.bottleneck import (
    SHRINKS,
    at_side,
    decoder,
    encoder,
    filters_of,
    initialised,
    require_side,
    resized,
)

LARGEST = 10.0  # bound of |log σ²|, so that its exponential stays finite


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − log σ²) of (B, d): (B,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


class VAE(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same, through the mean of q(z|X), `latent` numbers for a square of `side` pixels.

    `width`: factor on the filters. `variance`: s² above, > 0. ValueError for other values.
    """

    def __init__(self, side: int, latent: int, width: float, variance: float) -> None:
        super().__init__()
        require_side(side)
        if not variance > 0:
            raise ValueError(f"model.variance is {variance}: it must be above 0")
        self.side, self.variance = side, variance
        self.encoder = encoder(width)
        self.bottleneck = nn.Conv2d(filters_of(width)[-1][0], 2 * latent, side // SHRINKS)
        self.decoder = decoder(latent, width, side)
        initialised(self)

    def posterior(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the encoder → μ and log σ², (B, d) each.

        The bound is soft. A hard one has no gradient beyond it: a log σ² that passed it would stay there, and z would be noise.
        """
        mean, log_variance = self.bottleneck(features).float().flatten(1).chunk(2, 1)
        return mean, LARGEST * torch.tanh(log_variance / LARGEST)

    def decoded(self, z: Tensor) -> Tensor:
        """z (B, d) → image (B, 3, side, side) in [0, 1]."""
        return torch.sigmoid(self.decoder(z[..., None, None]).float())

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """−ELBO of X (B, 3, H, W) at `side`, the mean over images, divided by the number of values of one image."""
        X = resized(X, self.side)
        mean, log_variance = self.posterior(self.encoder(X))
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return self.negative_elbo(X, self.decoded(z), mean, log_variance)

    def negative_elbo(self, X: Tensor, output: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """‖X − D(z)‖² / (2s²) + KL, the mean over images, divided by the number of values of one."""
        error = (X - output).square().flatten(1).sum(1) / (2 * self.variance)
        return (error + kl(mean, log_variance)).mean() / X[0].numel()

    def forward(self, X: Tensor) -> Tensor:
        return at_side(self._square, X, self.side)

    def _square(self, X: Tensor) -> Tensor:
        return self.decoded(self.posterior(self.encoder(X))[0])
