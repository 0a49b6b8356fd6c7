"""A variational autoencoder that restores the image step by step, by the gradient of its own error.

Dehaene, Frigo, Combrexelle, Eline, "Iterative energy-based projection on a normal data manifold for anomaly localization", ICLR
2020. From x₀ = X, with D(μ(x)) the reconstruction:

    E(x) = ‖x − D(μ(x))‖² + λ ‖x − x₀‖₁,   x_{t+1} = x_t − α ∇E(x_t) ⊙ (x_t − D(μ(x_t)))²

F(X) is the last x_t. So fine structure need not pass the bottleneck: only what the network can't explain is changed. A step is
no longer than |x_t − D(μ(x_t))|: a longer one would jump over the reconstruction, and E would rise.

Simplifications: a fixed number of steps (the paper stops at a level of the error); the reconstruction counts as constant in the
gradient of its own error, as in common implementations, so that a step needs no backward pass: ∇E = 2 (x − D) + λ sign(x − x₀).
With `exact` the gradient goes through the network too. Network and training are those of `vae`.
"""

import torch
from torch import Tensor

from anomaly_lab.networks.baselines.bottleneck import at_side
from anomaly_lab.networks.baselines.vae import VAE
from anomaly_lab.networks.gradients import gradients


class ProjectionVAE(VAE):
    """`VAE` whose F(X) in testing is X after `steps` steps with the rate `alpha` and the weight `lam` of the change.

    ValueError for steps < 1, alpha ≤ 0 or lam < 0.
    """

    def __init__(
        self, side: int, latent: int, width: float, variance: float, steps: int, alpha: float, lam: float, exact: bool
    ) -> None:
        super().__init__(side, latent, width, variance)
        if not (steps >= 1 and alpha > 0 and lam >= 0):
            raise ValueError(f"model.steps, alpha, lam are {steps}, {alpha}, {lam}: they must be ≥ 1, > 0 and ≥ 0")
        self.steps, self.alpha, self.lam, self.exact = steps, alpha, lam, exact

    def forward(self, X: Tensor) -> Tensor:
        x = X
        for _ in range(self.steps):
            x = self.step(x, X)
        return x

    def step(self, x: Tensor, X: Tensor) -> Tensor:
        """x_t and x₀, (B, 3, h, w) in [0, 1] → x_{t+1}."""
        if self.exact:
            with gradients(x) as leaf:
                error = leaf - at_side(self._square, leaf, self.side)
                energy = error.square().sum() + self.lam * (leaf - X).abs().sum()
                (slope,) = torch.autograd.grad(energy, leaf)
                error = error.detach()
        else:
            error = x - at_side(self._square, x, self.side)
            slope = 2 * error + self.lam * (x - X).sign()
        longest = error.abs()
        return (x - (self.alpha * slope * error.square()).clamp(-longest, longest)).clamp(0, 1)
