"""5. Orthogonality: the Jacobian of an orthogonal projection is symmetric and idempotent.

An oblique projection is idempotent but not symmetric. Both keep the manifold; only the orthogonal one takes each image to the
nearest point of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from anomaly_lab.analyze.jacobian import Jacobian, signs
from anomaly_lab.analyze.ratios import length, ratio


class Symmetry(NamedTuple):
    """Of the Jacobian J at one image of N values:

    asymmetry:     ‖J − Jᵀ‖_F / ‖J‖_F. 0: symmetric; √2: J and Jᵀ have nothing in common; at most 2
    idempotence:   ‖J′J − J‖_F / ‖J‖_F with J′ the Jacobian at F(X), so that J′J belongs to F∘F. 0: idempotent
    trace:         tr J, the number of dimensions of a projection, orthogonal or oblique
    squares:       ‖J‖_F², for an orthogonal projection the same number; for an oblique one more
    participation: (Σσ²)² / Σσ⁴ over the singular values σ: the effective rank, the number of directions that carry J's energy
    """

    asymmetry: float
    idempotence: float
    trace: float
    squares: float
    participation: float


def symmetry(J: Jacobian, F: Callable[[Tensor], Tensor], probes: int, rng: torch.Generator) -> Symmetry:
    """Estimates from `probes` random vectors v of ±1. J is that of one image, (1, C, h, w).

    ‖Jv − Jᵀv‖² is ⟨u, Jv⟩ − ⟨Ju, v⟩, squared and summed over an orthonormal basis of u; its mean over v is ‖J − Jᵀ‖_F².
    """
    again = Jacobian(F, J.value.detach())
    sums = torch.zeros(6, dtype=torch.float64)
    for _ in range(probes):
        v = signs(J.X, rng)
        a, b = J.times(v), J.transposed(v)
        differences = (a - b, again.times(a) - a, a, b, J.transposed(a))
        squares = [float(length(each)) ** 2 for each in differences]
        sums += torch.tensor([*squares, float((v * a).double().sum())], dtype=torch.float64)
    between, twice, forward, backward, fourth, trace = (sums / probes).tolist()
    frobenius = (forward + backward) / 2  # both estimate ‖J‖_F²
    if frobenius == 0:  # F is constant
        return Symmetry(float("nan"), float("nan"), 0.0, 0.0, 0.0)
    return Symmetry(
        (between / frobenius) ** 0.5,
        (twice / forward) ** 0.5 if forward else float("nan"),
        trace,
        frobenius,
        forward**2 / fourth,
    )


def cosine(Y_hat: Tensor, Y: Tensor, X_hat: Tensor, X: Tensor) -> Tensor:
    """The cosine between what F keeps of the corruption and what it removes, for each image (B,), without derivatives.

    Kept: F(X̂) − F(X). Removed: the rest of X̂ − X. They are orthogonal (0) for the orthogonal projection onto a subspace.
    NaN if F keeps nothing or everything.
    """
    kept = Y_hat - Y
    removed = (X_hat - X) - kept
    return ratio((kept * removed).flatten(1).double().sum(1), length(kept) * length(removed))
