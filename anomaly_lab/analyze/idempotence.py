"""2. Idempotence: a second pass of F changes nothing. Iterates show whether passes converge, how fast, and to what."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from anomaly_lab.analyze.ratios import length, mean_color, ratio

ROUNDING = 1e-5  # a second step this much smaller than the first is rounding in float32: there is no rate to measure


class Iterates(NamedTuple):
    """The course of X₀ = X̂, X₁ = F(X₀), …, X_K, for each image.

    steps:     ‖X_{k+1} − X_k‖, (B, K)
    distances: ‖X_k − X‖, (B, K + 1)
    contrast:  ‖X_K − x̄_K‖ / ‖X − x̄‖, (B,): 1 as in the normal image, 0 for a flat colour
    """

    steps: Tensor
    distances: Tensor
    contrast: Tensor

    @property
    def second(self) -> Tensor:
        """‖F(F(X̂)) − F(X̂)‖ / ‖F(X̂) − X̂‖, (B,). 0: idempotent; 1: the second pass changes as much as the first."""
        return ratio(self.steps[:, 1], self.steps[:, 0])

    @property
    def rate(self) -> Tensor:
        """The factor by which a step is shorter than the one before, as the geometric mean from the second step on, (B,).

        Below 1 the iterates converge, at the speed of a geometric series. NaN where the second step is rounding already.
        """
        first, last = self.steps[:, 1], self.steps[:, -1]
        rate = ratio(last, first) ** (1 / (self.steps.shape[1] - 2))
        return torch.where(first > ROUNDING * self.steps[:, 0], rate, torch.nan)


def iterates(F: Callable[[Tensor], Tensor], X_hat: Tensor, X: Tensor, count: int) -> Iterates:
    """`count` ≥ 3 passes of F, from X̂ (B, C, h, w). `X`: the normal image that X̂ was made from."""
    steps, distances, at = [], [length(X_hat - X)], X_hat
    for _ in range(count):
        following = F(at)
        steps.append(length(following - at))
        distances.append(length(following - X))
        at = following
    contrast = ratio(length(at - mean_color(at)), length(X - mean_color(X)))
    return Iterates(torch.stack(steps, 1), torch.stack(distances, 1), contrast)
