"""scoring.evidence=features: the distance of pretrained features from those of normal training images, patch by patch.

It needs no reconstruction, and sees what a squared error does not: that a structure is of another kind. The network of features
is not trained. So any run can be scored with it, also one that was trained without it.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.forward import Forward, NormalImages
from anomaly_lab.scoring.heatmap import enlarged, smooth

LEARN = 200  # training images for the bank, which holds a few dozen vectors of each
BRIEF = 16  # during training; more would only cost time


class Features(nn.Module):
    """Distance of each patch's feature vector from the nearest of a bank of normal ones, (B, h, w) ≥ 0.

    - `network`: maps X (B, 3, h, w) in [0, 1] to vectors, with `encode`, `features` and `begin`.
    - `detector`: maps vectors to distances; see `MemoryBank`.
    """

    light: Tensor

    def __init__(self, network: Any, detector: Any) -> None:
        super().__init__()
        self.network, self.detector = network, detector
        self.register_buffer("light", torch.tensor([0.0, 1.0]))  # stored value = light[0] + light[1] · prepared value

    @property
    def reach(self) -> float:
        """Pixels that a feature looks around."""
        return float(getattr(self.network, "reach", math.inf))

    def begin(self, light: Sequence[float]) -> None:
        """Load the network's weights. `light` undoes the stretch of the contrast: the weights come from images without it.

        UserError if the weights are missing.
        """
        self.network.begin([])
        self.light.copy_(torch.tensor(light))

    def learn(self, F: Forward, normal: NormalImages, brief: bool) -> list["Features"]:
        """Fill the bank from training images. No held-out image is in it, so that none needs a map of its own.

        If `brief`, during training, it is filled once: the features do not change. Without training images it stays.
        """
        self.network.eval()
        images, count = normal.training_images(BRIEF if brief else LEARN)
        if count and not (brief and len(self.detector.vectors)):
            self.detector.fit((self._features(X[None].to(self.light.device)) for X in images), count)
        return [] if brief else [self] * len(normal.held_out)

    def forward(self, X: Tensor, output: Tensor, sigma: float) -> Tensor:
        """X (B, 3, h, w) in [0, 1] → distances (B, h, w), smoothed with a Gaussian of `sigma` pixels."""
        distance, _ = self.detector(self._features(X))
        return smooth(enlarged(distance, X.shape[-2:]), sigma)

    @torch.no_grad()
    def _features(self, X: Tensor) -> Tensor:
        stored = (self.light[0] + self.light[1] * X).clamp(0, 1)
        return self.network.features(self.network.encode(stored.contiguous(memory_format=torch.channels_last)))  # type: ignore[no-any-return]
