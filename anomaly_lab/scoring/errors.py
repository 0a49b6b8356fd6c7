"""Evidence from X and F(X) alone: the paper's plain errors, and the signed error. Choose with scoring.evidence=NAME.

Evidence is a function (X, F(X), sigma), images (B, C, H, W) in [0, 1] → (B, H, W) ≥ 0, smoothed with a Gaussian of `sigma`
pixels. Evidence that learns from normal images is a module with a method `learn`: see `normal_error`.
"""

from torch import Tensor

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
