"""1. Identity on the manifold: F leaves a normal image as it is."""

from torch import Tensor

from anomaly_lab.analyze.ratios import length, mean_color, ratio


def error(Y: Tensor, X: Tensor) -> Tensor:
    """‖F(X) − X‖ / ‖X − x̄‖ of each image, (B,). 0: the identity; 1: as far from X as its flat mean colour x̄ is.

    `X`, `Y` = F(X): (B, C, h, w). NaN for a flat X. The squared ratio is `val/relative_error`.
    """
    return ratio(length(Y - X), length(X - mean_color(X)))
