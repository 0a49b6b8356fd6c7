"""3. Projection: F takes a corrupted image back to the normal one, inside the mask M of the corruption and outside of it."""

from typing import NamedTuple

from torch import Tensor

from anomaly_lab.analyze.ratios import length, ratio


class Transfer(NamedTuple):
    """What is wrong after F, in units of what was wrong before, for each image (B,). 0: the normal image is restored.

    inside:  ‖M ⊙ (F(X̂) − X)‖ / ‖X̂ − X‖. 1: the error is as large as the corruption; above 1, F amplifies it
    outside: ‖M̄ ⊙ (F(X̂) − X)‖ / ‖X̂ − X‖
    kept:    ‖M ⊙ (F(X̂) − F(X))‖ / ‖X̂ − X‖. The other two include what F does to normal pixels anyway; this does not
    """

    inside: Tensor
    outside: Tensor
    kept: Tensor


def transfer(Y_hat: Tensor, Y: Tensor, X_hat: Tensor, X: Tensor, M: Tensor) -> Transfer:
    """`X`, `X_hat`, `Y` = F(X), `Y_hat` = F(X̂): (B, C, h, w). `M`: (B, 1, h, w), 1 where X̂ is corrupted; X̂ = X elsewhere.

    For the orthogonal projection onto d of N dimensions, inside² + outside² ≈ d/N if the corruption prefers no direction.
    """
    E, size = Y_hat - X, length(X_hat - X)
    return Transfer(*(ratio(length(each), size) for each in (M * E, (1 - M) * E, M * (Y_hat - Y))))
