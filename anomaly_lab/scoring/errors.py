"""Evidence from X and F(X) alone: plain errors, the signed error, and unlikeness. Choose with scoring.evidence=NAME.

Evidence is a function (X, F(X), sigma), images (B, C, H, W) in [0, 1] → (B, H, W) ≥ 0, smoothed with a Gaussian of `sigma`
pixels. Evidence that learns from normal images is a module with a method `learn`: see `normal_error`.
"""

from torch import Tensor

from anomaly_lab.networks import similarity
from anomaly_lab.scoring.heatmap import smooth


def squared(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    """|F(X) − X|², averaged over channels: values in [0, 1]."""
    return smooth((output - X).square().mean(1), sigma)


def absolute(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    """|F(X) − X|, averaged over channels: values in [0, 1]."""
    return smooth((output - X).abs().mean(1), sigma)


def signed(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    """|G_σ ∗ (F(X) − X)|², averaged over channels: what is evenly darker or lighter stays, noise of both signs cancels out."""
    return smooth((output - X).flatten(0, 1), sigma).unflatten(0, X.shape[:2]).square().mean(1)


def ssim(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    """1 − SSIM of X and F(X), in [0, 2]: the structure of a place, whatever its brightness."""
    return smooth(1 - similarity.ssim(X, output), sigma)


def msgms(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    """1 − the multi-scale gradient magnitude similarity of X and F(X), in [0, 1): edges, whatever their direction."""
    return smooth(similarity.msgms(X, output), sigma)
