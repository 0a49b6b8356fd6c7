"""Scorers: from an image to its heatmap, by the error of a reconstruction or by features of the network.

A scorer learns what is normal with `learn`: briefly before each validation, fully after the training. It gets F as a
`Forward` and never sees the module, the trainer or the run. Choose one with scoring.scorer=NAME.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.forward import Forward, NormalImages
from anomaly_lab.scoring.heatmap import enlarged, smooth

BRIEF = 32  # training images that a detector sees before a validation, where more would only cost time
Progress = Callable[[int, int], None]


class Look(NamedTuple):
    """What a scorer makes of images: F(X) (B, 3, h, w), None where the network does not reconstruct; the smoothed heatmap
    (B, h, w); factors on the image scores (B,), None where the heatmap alone decides."""

    output: Tensor | None
    heatmap: Tensor
    weights: Tensor | None


class ErrorScorer(nn.Module):
    """By the error of F(X). `error`: an error map, see `errors`. `sigma`: of the Gaussian that smooths it, in pixels at the
    working scale."""

    def __init__(self, error: Any, sigma: float) -> None:
        super().__init__()
        if not callable(error):
            raise ValueError(f"scoring.error is {error}: a reconstruction is scored by an error map")
        self.error, self.sigma = error, sigma

    def learn(
        self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None
    ) -> list["ErrorScorer"]:
        """Learn what error is normal from held-out images; returns one scorer for each of them that has not learnt from it.

        A plain error has nothing to learn.
        """
        if not hasattr(self.error, "learn"):
            return [] if brief else [self] * len(normal.held_out)
        return [ErrorScorer(error, self.sigma) for error in self.error.learn(F, normal, brief)]

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X) and the heatmap."""
        output = F(X)
        with torch.autocast(X.device.type, enabled=False):  # bf16 would round the heatmap
            return Look(output, self.heatmap(X, output), None)

    def heatmap(self, X: Tensor, output: Tensor) -> Tensor:
        """X and F(X), (B, 3, h, w) → the smoothed error (B, h, w). A module smooths its map itself."""
        if isinstance(self.error, nn.Module):
            return self.error(X, output, self.sigma)  # type: ignore[no-any-return]
        return smooth(self.error(X, output), self.sigma)


class FeatureScorer(nn.Module):
    """By what a detector makes of the network's features, one vector per patch.

    - `detector`: `fit` on features (1, C, h', w') of so many training images, one by one; then features → distances
      (B, h', w') and factors on the image scores (B,). Its attribute `error` names the distances.
    - `error`: must be that name. - `sigma`: of the Gaussian that smooths the distances, in pixels at the working scale.
    """

    def __init__(self, detector: Any, error: str, sigma: float) -> None:
        super().__init__()
        if error != detector.error:
            raise ValueError(f"scoring.error is {error}: the model's detector gives {detector.error}")
        self.detector, self.sigma = detector, sigma

    def learn(
        self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None
    ) -> list["FeatureScorer"]:
        """Fit the detector on training images. Returns this scorer for each held-out image: it has seen none of them."""
        images, count = normal.training_images(BRIEF if brief else None)
        device = next(F.network.parameters()).device
        self.detector.fit((F.features(X[None].to(device)) for X in images), count, progress)
        return [] if brief else [self] * len(normal.held_out)

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X) where there is one, the heatmap, and factors on the image scores."""
        vectors = F.encode(X)
        with torch.autocast(X.device.type, enabled=False):
            distance, weights = self.detector(F.compared(vectors))
            heatmap = smooth(enlarged(distance, X.shape[-2:]), self.sigma)
        return Look(F.decode(vectors, X.shape), heatmap, weights)
