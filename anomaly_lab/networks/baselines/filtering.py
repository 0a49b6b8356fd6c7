"""The filtering autoencoder and the later version of the paper's method, as far as they are known.

- Bauer and Mueller, "Noise & pattern: identity-anchored Tikhonov regularization for robust structural anomaly detection", 2025:
  the filtering autoencoder. Gaussian noise ε is added to the corrupted input **and kept in the target**, so that the network
  has to pass on the noise of what is normal: equation (1) with X + ε in place of X, and X̂ + ε in place of X̂.
- The journal version of the paper (Mathematics 12(24), 2024): SDC layers with a sixth rate, 32, and "convex combination
  modules", which mix the encoder's features into the decoder: B ⊙ encoder + (1 − B) ⊙ decoder, B in (0, 1) learnt at each
  place.

Known to us from abstracts and a student project alone. Stated guesses: the noise's deviation; where the modules lie (after each
transposed convolution) and that B is a sigmoid of a 1×1 convolution of both; squared norms, λ and the term against a flat grey
are the lab's.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anomaly_lab.networks.sdc_autoencoder import SDC, SDCAutoencoder, conv_block
from anomaly_lab.objectives import restore, uncorrelated

UPS = (1, 4, 7)  # the places of the transposed convolutions in the decoder of SDCAutoencoder
POOLINGS = (2, 5, 8)  # and of the poolings in its encoder


class ConvexCombination(nn.Module):
    """B ⊙ e + (1 − B) ⊙ d for features e, d (B, C, h, w) of encoder and decoder, B = sigmoid(1×1 convolution of both)."""

    def __init__(self, c_encoder: int, c_decoder: int) -> None:
        super().__init__()
        self.match = nn.Conv2d(c_encoder, c_decoder, 1)
        self.share = nn.Conv2d(c_encoder + c_decoder, c_decoder, 1)

    def forward(self, e: Tensor, d: Tensor) -> Tensor:
        B = torch.sigmoid(self.share(torch.cat([e, d], 1)))
        return B * self.match(e) + (1 - B) * d


class FilteringAutoencoder(SDCAutoencoder):
    """F: [0, 1]^(n×m×3) → [0, 1]^(n×m×3): the paper's network with noise in training, other rates, or convex combinations.

    - `width`, `standardize`: as in `SDCAutoencoder`. - `rates`: the dilation rates of an SDC layer.
    - `convex`: whether features of the encoder are mixed into the decoder.
    - `noise`: standard deviation of ε in [0, 1]; 0 for none. - `lam`, `norm`: of equation (1).
    - `correlation`: ρ₀ of the term against a flat grey, `objectives.uncorrelated`; None for the equation alone.

    ValueError for a negative noise.
    """

    def __init__(
        self,
        width: float,
        standardize: bool,
        rates: Sequence[int],
        convex: bool,
        noise: float,
        lam: float,
        norm: str,
        correlation: float | None,
    ) -> None:
        super().__init__(width, False, standardize)
        if not noise >= 0:
            raise ValueError(f"model.noise is {noise}: it must be 0 or above")
        self.noise, self.lam, self.norm, self.correlation = noise, lam, norm, correlation
        c32, c64, c128, c256 = (max(1, round(n * width)) for n in (32, 64, 128, 256))
        inner = len(rates) * c64
        layers = [SDC(c128, c64, rates), *(SDC(inner, c64, rates) for _ in range(3))]
        self.encoder = nn.Sequential(*list(self.encoder)[:9], *layers)
        self.decoder[0] = conv_block(inner, c256)
        pairs = zip((c128, c64, c32), (c256, c128, c64), strict=True)
        self.mixers = nn.ModuleList(ConvexCombination(e, d) for e, d in pairs) if convex else None
        for module in [*self.encoder[9:].modules(), *self.decoder[0].modules()]:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """Equation (1) with the noise ε in input and target: λ/‖M̄‖₁ ‖M̄⊙(F(X̂+ε)−(X+ε))‖ + (1−λ)/‖M‖₁ ‖M⊙(F(X̂+ε)−(X+ε))‖."""
        noise = self.noise * torch.randn_like(X) if self.noise else torch.zeros_like(X)
        output = self((X_hat + noise).contiguous(memory_format=torch.channels_last))
        with torch.autocast(X.device.type, enabled=False):
            loss = restore(output.float(), X + noise, X_hat + noise, M, self.lam, self.norm)
            if self.correlation is not None:
                loss = loss + uncorrelated(output.float(), X, self.correlation)
            return loss

    def features(self, x: Tensor) -> Tensor:
        """As in `SDCAutoencoder`, with the encoder's features mixed in."""
        if self.mixers is None:
            return super().features(x)
        kept = []
        for i, layer in enumerate(self.encoder):
            if i in POOLINGS:
                kept.append(x)
            x = layer(x)
        mixers = iter(self.mixers)
        for i, layer in enumerate(self.decoder):
            x = layer(x)
            if i in UPS:
                x = next(mixers)(kept.pop(), x)
        return x
