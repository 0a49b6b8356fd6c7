"""Trivial baselines: heatmaps that need no training. A useful network must be better."""

import torch
from torch import Tensor

from anomaly_lab.scoring.errors import squared


def flat_grey(X: Tensor, mean_color: Tensor, sigma: float) -> Tensor:
    """The squared error of a network that reconstructs one flat colour: (B, 3, h, w) in [0, 1] → (B, h, w).

    `mean_color` (3,): of the preprocessed training images. `sigma`: of the smoothing, in pixels.
    """
    with torch.inference_mode():
        return squared(X, mean_color.view(3, 1, 1).expand_as(X), sigma)
