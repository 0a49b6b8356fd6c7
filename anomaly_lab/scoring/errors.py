"""The paper's plain error maps. Choose one with scoring.error=NAME.

An error map is a function (X, F(X)), both (B, C, H, W) in [0, 1] → (B, H, W). An error map that learns from normal images is a
module with a method `learn`: see `normal_error`.
"""

from torch import Tensor


def squared(X: Tensor, output: Tensor) -> Tensor:
    """|F(X) − X|², averaged over channels: values in [0, 1]."""
    return (output - X).square().mean(1)


def absolute(X: Tensor, output: Tensor) -> Tensor:
    """|F(X) − X|, averaged over channels: values in [0, 1]."""
    return (output - X).abs().mean(1)
