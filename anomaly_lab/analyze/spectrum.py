"""The singular values of the Jacobian, by Lanczos: those of a projection are 0 and 1, or more than 1 if it is oblique."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

LIMITS = (0.25, 0.75, 1.25)  # singular values are near 0 below the first, near 1 between the second and the third
PLACES = ("near_0", "between", "near_1", "beyond")
LEVELS = tuple(i / 20 for i in range(1, 41))  # singular values at which the record counts how many are larger
END = 1e-6  # of the largest coefficient: the Krylov space is exhausted, and more steps would give rounding


class Density(NamedTuple):
    """A distribution of eigenvalues: `weights` at `values`, which sum to 1."""

    values: Tensor
    weights: Tensor


def lanczos(product: Callable[[Tensor], Tensor], v: Tensor, steps: int) -> Density:
    """The Gauss quadrature of the spectrum of a symmetric matrix A, seen from v: Σ wᵢ g(λᵢ) ≈ vᵀ g(A) v / vᵀv.

    For a random v of ±1, vᵀ g(A) v / vᵀv estimates tr g(A) / N, so the weights are shares of all N eigenvalues. `product`: x →
    A x. Exact for polynomials g below degree 2·`steps`. The basis is orthogonalised anew in each step.
    Near 0, values closer than λ_max (π / 2·`steps`)² are not told apart.
    """
    basis = [v.flatten().double() / v.double().norm()]
    diagonal: list[float] = []
    off: list[float] = []
    for _ in range(steps):
        w = product(basis[-1].to(v).reshape(v.shape)).flatten().double()
        diagonal.append(float(w @ basis[-1]))
        Q = torch.stack(basis)
        for _ in range(2):  # once leaves rounding behind
            w = w - Q.t() @ (Q @ w)
        off.append(float(w.norm()))
        if off[-1] <= END * max(map(abs, [*diagonal, *off[:-1], 1e-30])):
            break
        basis.append(w / off[-1])
    T = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if len(diagonal) > 1:
        side = torch.tensor(off[: len(diagonal) - 1], dtype=torch.float64)
        T = T + torch.diag(side, 1) + torch.diag(side, -1)
    values, vectors = torch.linalg.eigh(T)
    return Density(values, vectors[0].square())


def resolved(largest: float, steps: int) -> bool:
    """Whether so many steps tell singular values apart at the first of `LIMITS`, beside one of `largest`."""
    return largest * math.pi / (2 * steps) <= LIMITS[0]


def shares(squared: Density, steps: int) -> dict[str, float]:
    """The shares of singular values σ near 0, between, near 1 and beyond, from the density of σ² that `steps` steps have given;
    and the largest σ seen.

    The shares are NaN where so many steps do not tell σ apart, unless fewer were enough.
    """
    sigma = squared.values.clamp(min=0).sqrt()
    largest = float(sigma.max())
    if len(sigma) == steps and not resolved(largest, steps):
        return dict.fromkeys(PLACES, math.nan) | {"largest": largest}
    place = torch.bucketize(sigma, torch.tensor(LIMITS, dtype=sigma.dtype))
    return {name: float(squared.weights[place == i].sum()) for i, name in enumerate(PLACES)} | {"largest": largest}
