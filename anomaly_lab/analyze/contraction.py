"""6. Contraction: F shrinks a small corruption, and keeps a small normal variation."""

import torch
from torch import Tensor

from anomaly_lab.analyze.jacobian import Jacobian
from anomaly_lab.analyze.ratios import length, ratio


def gain(Jv: Tensor, v: Tensor) -> Tensor:
    """‖Jv‖ / ‖v‖ of each image, (B,): 0 where the direction v is removed, 1 where its length is kept."""
    return ratio(length(Jv), length(v))


def change(Jv: Tensor, v: Tensor) -> Tensor:
    """‖Jv − v‖ / ‖v‖ of each image, (B,): 0 where v is kept as it is, 1 where it is removed."""
    return ratio(length(Jv - v), length(v))


def shifts(X: Tensor) -> list[Tensor]:
    """Directions of normal variation: how X (B, C, h, w) changes when its content moves right or down, per pixel.

    Central differences, 0 on the border. A normal image that is taken a little aside is normal too.
    """
    right, down = torch.zeros_like(X), torch.zeros_like(X)
    right[..., 1:-1] = (X[..., :-2] - X[..., 2:]) / 2
    down[..., 1:-1, :] = (X[..., :-2, :] - X[..., 2:, :]) / 2
    return [right, down]


def gains(J: Jacobian, directions: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean `gain` and the mean `change` over directions, (B,) each; a direction that is 0 counts nothing."""
    products = [(J.times(v), v) for v in directions]
    found = [torch.stack([of(Jv, v) for Jv, v in products]) for of in (gain, change)]
    return found[0].nanmean(0), found[1].nanmean(0)
