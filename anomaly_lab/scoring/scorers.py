"""Scorers: from an image to its heatmap, by the error of a reconstruction or by features. Choose one with scoring.scorer=NAME.

A scorer learns what is normal with `learn`: briefly before each validation, fully after the training.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.coreset import Progress
from anomaly_lab.scoring.forward import Forward, NormalImages
from anomaly_lab.scoring.heatmap import enlarged, smooth

BRIEF = 32  # training images for a fit before a validation; more would only cost time


class Look(NamedTuple):
    """The result for a batch: `output`, F(X) (B, 3, h, w), None if the network does not reconstruct; the smoothed `heatmap`
    (B, h, w); `weights`, factors on the image scores (B,), or None."""

    output: Tensor | None
    heatmap: Tensor
    weights: Tensor | None


class ErrorScorer(nn.Module):
    """The heatmap is the error of F(X).

    `error`: an error map, see `errors`; otherwise ValueError. `sigma`: of the smoothing, in pixels at the working scale.
    """

    def __init__(self, error: Any, sigma: float) -> None:
        super().__init__()
        if not callable(error):
            raise ValueError(f"scoring.error is {error}: a reconstruction is scored by an error map")
        self.error, self.sigma = error, sigma

    def learn(
        self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None
    ) -> list["ErrorScorer"]:
        """Let the error map learn from held-out images. Returns for each of them a scorer that has not learnt from it.

        If `brief`, the list is empty. A plain error map learns nothing.
        """
        if not hasattr(self.error, "learn"):
            return [] if brief else [self] * len(normal.held_out)
        return [ErrorScorer(error, self.sigma) for error in self.error.learn(F, normal, brief)]

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X) and the heatmap."""
        output = F(X)
        with torch.autocast(X.device.type, enabled=False):  # bf16 would round the heatmap
            if isinstance(self.error, nn.Module):  # it smooths its map itself
                return Look(output, self.error(X, output, self.sigma), None)
            return Look(output, smooth(self.error(X, output), self.sigma), None)


class FeatureScorer(nn.Module):
    """The heatmap shows a detector's distances of the network's features, one vector per patch.

    - `detector`: a module with `fit(features (1, C, h', w') of each image, number of images, progress)`. Then it maps features
      to distances (B, h', w') and factors on the image scores (B,). Its attribute `error` is the name of the distances.
    - `error`: must be that name, otherwise ValueError.
    - `sigma`: of the smoothing, in pixels at the working scale.
    """

    def __init__(self, detector: Any, error: str, sigma: float) -> None:
        super().__init__()
        if error != detector.error:
            raise ValueError(f"scoring.error is {error}: the model's detector gives {detector.error}")
        self.detector, self.sigma = detector, sigma

    def learn(
        self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None
    ) -> list["FeatureScorer"]:
        """Fit the detector on training images. Returns this scorer for each held-out image; if `brief`, the list is empty."""
        images, count = normal.training_images(BRIEF if brief else None)
        device = next(F.network.parameters()).device
        self.detector.fit((F.features(X[None].to(device)) for X in images), count, progress)
        return [] if brief else [self] * len(normal.held_out)

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X), the heatmap and factors on the image scores."""
        vectors = F.encode(X)
        with torch.autocast(X.device.type, enabled=False):
            distance, weights = self.detector(F.compared(vectors))
            heatmap = smooth(enlarged(distance, X.shape[-2:]), self.sigma)
        return Look(F.decode(vectors, X.shape), heatmap, weights)
