"""Trivial baselines: heatmaps that need no training. A useful network must be better."""

from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.errors import squared
from anomaly_lab.scoring.heatmap import smooth


def flat_grey(X: Tensor, mean_color: Tensor, error: Any, sigma: float) -> Tensor:
    """The heatmap of a network that reconstructs one flat colour: (B, 3, h, w) in [0, 1] → (B, h, w).

    `mean_color` (3,): of the preprocessed training images. `error`: a plain error map; for anything else the squared error is
    used. `sigma`: of the smoothing, in pixels.
    """
    plain = error if callable(error) and not isinstance(error, nn.Module) else squared
    with torch.inference_mode():
        return smooth(plain(X, mean_color.view(3, 1, 1).expand_as(X)), sigma)
