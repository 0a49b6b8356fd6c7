"""Like AnoGAN: the nearest image that a generator of normal images can make.

Schlegl, Seeböck, Waldstein, Schmidt-Erfurth, Langs, "Unsupervised anomaly detection with generative adversarial networks to
guide marker discovery", IPMI 2017. A generator G and a discriminator D are trained against each other on normal images. In
testing, the latent z is searched by gradient descent, from the prior's mean:

    z* = argmin (1 − λ) Σ|X − G(z)| + λ Σ|f(X) − f(G(z))|,   F(X) = G(z*),   map = |X − F(X)|

with f the features before D's last layer.

Simplifications: few steps of the search (the paper: 500); one optimiser trains both, with the lab's momentum of .9 (generators
are mostly trained with .5); the image score is the lab's pooling of the map in place of the search's loss.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from anomaly_lab.networks.baselines.bottleneck import SLOPE, at_side, resized
from anomaly_lab.networks.gradients import gradients

SMALLEST = 4  # side of the generator's first map, in pixels


class AnoGAN(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the nearest G(z), for squares of `side` pixels; others are resized.

    - `latent`: numbers of z. - `width`: filters at full size; they double with each halving.
    - `steps`, `rate`: of the search, by Adam. - `lam`: λ above, in [0, 1].

    ValueError for a side that is not 8, 16, 32, 64 …, or a λ outside its range.
    """

    def __init__(self, side: int, latent: int, width: int, steps: int, rate: float, lam: float) -> None:
        super().__init__()
        halvings = (side // SMALLEST).bit_length() - 1
        if halvings < 1 or side != SMALLEST * 2**halvings:
            raise ValueError(f"model.side is {side}: it must be 8, 16, 32, 64 and so on")
        if not 0 <= lam <= 1:
            raise ValueError(f"model.lam is {lam}: it must lie in [0, 1]")
        self.side, self.latent, self.steps, self.rate, self.lam = side, latent, steps, rate, lam
        filters = [width * 2**i for i in range(halvings)]
        made: list[nn.Module] = [nn.ConvTranspose2d(latent, filters[-1], SMALLEST, bias=False)]
        for before, after in zip(reversed(filters), [*reversed(filters[:-1]), 0], strict=True):
            made += [nn.BatchNorm2d(before), nn.ReLU(), nn.ConvTranspose2d(before, after or 3, 4, 2, 1, bias=not after)]
        self.generator = nn.Sequential(*made)
        told: list[nn.Module] = []
        for before, after in zip([3, *filters], filters, strict=False):
            told += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        self.features = nn.Sequential(*told)
        self.verdict = nn.Conv2d(filters[-1], 1, SMALLEST)

    def generated(self, z: Tensor) -> Tensor:
        """z (B, latent) → G(z), (B, 3, side, side) in [0, 1]."""
        return torch.sigmoid(self.generator(z[..., None, None]).float())

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """−log D(X) − log(1 − D(G(z))) for D, plus −log D(G(z)) for G, of X (B, 3, H, W) at `side`. X̂ is not used.

        No term trains the other's weights: D's sees G(z) without gradient, G's sees D with weights that count as constants.
        """
        X = resized(X, self.side)
        fake = self.generated(torch.randn(len(X), self.latent, device=X.device))
        told = functional.softplus(-self._logit(X)) + functional.softplus(self._logit(fake.detach()))
        fooled = functional.softplus(-self._logit(fake, fixed=True))
        return (told + fooled).mean()

    def _logit(self, X: Tensor, fixed: bool = False) -> Tensor:
        """The discriminator's logit (B,) that X is real; with `fixed` its weights are constants."""
        if fixed:
            return _constant(self.verdict, _constant(self.features, X)).float().flatten()
        return self.verdict(self.features(X)).float().flatten()

    def forward(self, X: Tensor) -> Tensor:
        return at_side(self._searched, X, self.side)

    def _searched(self, X: Tensor) -> Tensor:
        """X (B, 3, side, side) → G(z*)."""
        with gradients(X.new_zeros(len(X), self.latent)) as z:
            X = X.clone().float()
            target = self.features(X).detach()
            optimizer = torch.optim.Adam([z], self.rate)
            for _ in range(self.steps):
                output = self.generated(z)
                residual = (X - output).abs().sum()
                energy = (1 - self.lam) * residual + self.lam * (target - self.features(output)).abs().sum()
                (z.grad,) = torch.autograd.grad(energy, z)
                optimizer.step()
            return self.generated(z).detach()


def _constant(part: nn.Module, x: Tensor) -> Any:
    """part(x), where its weights get no gradient."""
    return functional_call(part, {name: value.detach() for name, value in part.named_parameters()}, (x,))
