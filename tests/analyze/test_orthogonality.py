"""Symmetry and cosine of maps whose truth is linear algebra: projectors, manifolds, and a network trained on objective (1)."""

import known
import pytest
import torch

from anomaly_lab.analyze.jacobian import Jacobian
from anomaly_lab.analyze.orthogonality import Symmetry, cosine, symmetry

U = known.subspace(64, 4, 0)
HALF = (torch.arange(64) < 32).double()
MATRICES = {
    "orthogonal": known.orthogonal(U),
    "oblique": known.oblique(U, HALF),
    "shrunk": known.orthogonal(U) / 2,
    "identity": torch.eye(64, dtype=torch.float64),
    "any": 2 * torch.eye(64, dtype=torch.float64)
    + torch.randn(64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64),
}


def of(F: known.Map, X: torch.Tensor, probes: int) -> Symmetry:
    return symmetry(Jacobian(F, X), F, probes, torch.Generator().manual_seed(0))


def dense(A: torch.Tensor) -> Symmetry:
    """The same by linear algebra."""
    n, sigma = torch.linalg.norm(A), torch.linalg.svdvals(A).square()
    values = ((A - A.t()).norm() / n, (A @ A - A).norm() / n, A.trace(), n**2, sigma.sum() ** 2 / sigma.square().sum())
    return Symmetry(*map(float, values))


@pytest.mark.parametrize("name", MATRICES)
def test_estimates_are_those_of_linear_algebra(name: str) -> None:
    found = of(known.linear(MATRICES[name]), torch.zeros(1, 1, 1, 64, dtype=torch.float64), 400)
    assert tuple(found) == pytest.approx(tuple(dense(MATRICES[name])), rel=0.12, abs=0.02)


def test_only_the_orthogonal_projector_is_symmetric_and_idempotent() -> None:
    X = torch.zeros(1, 1, 1, 64, dtype=torch.float64)
    found = {name: of(known.linear(matrix), X, 4) for name, matrix in MATRICES.items()}
    assert max(found["orthogonal"].asymmetry, found["orthogonal"].idempotence) < 1e-12
    assert found["oblique"].asymmetry > 0.5 and found["oblique"].idempotence < 1e-12
    assert found["shrunk"].asymmetry < 1e-12 and found["shrunk"].idempotence == pytest.approx(0.5)


@pytest.mark.parametrize(("width", "dimensions"), [(None, 3), (2.2, 2)])
def test_the_nearest_point_of_a_curved_manifold_is_found_to_be_orthogonal(width: float | None, dimensions: int) -> None:
    F = known.Bumps(width=width)
    theta = torch.tensor([7.3, 8.1, 2.2], dtype=torch.float64)[:dimensions]
    X = F.image(theta)[None, None]
    T = torch.func.jacrev(F.image)(theta).reshape(256, dimensions)  # the tangent space
    v = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(Jacobian(F, X).times(v).flatten(), T @ torch.linalg.pinv(T) @ v.flatten())
    found = of(F, X, 3)
    assert max(found.asymmetry, found.idempotence) < 1e-12 and found.squares == pytest.approx(found.trace)
    assert float(torch.func.jacrev(F)(X).reshape(256, 256).trace()) == pytest.approx(dimensions)


def test_the_nearest_point_in_another_norm_is_found_to_be_oblique() -> None:
    weights = torch.ones(16, 16)
    weights[:, :8] = 0.05
    F = known.Bumps(weights=weights)
    X = F.image(torch.tensor([7.3, 8.1, 2.2], dtype=torch.float64))[None, None]
    full = torch.func.jacrev(F)(X).reshape(256, 256)
    found = of(F, X, 40)
    assert (
        found.idempotence < 1e-12
        and found.asymmetry == pytest.approx(dense(full).asymmetry, rel=0.15)
        and found.asymmetry > 0.5
    )


@pytest.mark.parametrize(
    ("wrapping", "noise", "asymmetry", "idempotence"), [(False, 1, 0.87, 0.11), (True, 1, 0.52, 0.13), (True, 4, 0.09, 0.02)]
)
def test_a_linear_network_trained_on_objective_1_is_nearly_idempotent_and_not_orthogonal(
    wrapping: bool, noise: float, asymmetry: float, idempotence: float
) -> None:
    """The stronger and the more uniform the corruption, the nearer to orthogonal. The values are of an independent fit."""
    rng = torch.Generator().manual_seed(0)
    optimum = dense(known.least_squares(*known.blocks(U, 8, 60_000, wrapping, noise, rng)[:2]))
    assert (optimum.asymmetry, optimum.idempotence) == pytest.approx((asymmetry, idempotence), abs=0.02)
    pairs = known.blocks(U, 8, 4000, wrapping, noise, rng)
    F, best = known.trained(*pairs, passes=40), known.least_squares(*pairs[:2])
    assert torch.linalg.norm(F - best) < 0.02 * torch.linalg.norm(best), "the training has reached the optimum"
    found = of(known.linear(F), torch.zeros(1, 1, 1, 64, dtype=torch.float64), 100)
    assert found.asymmetry == pytest.approx(dense(best).asymmetry, rel=0.1)
    assert found.idempotence == pytest.approx(dense(best).idempotence, rel=0.2)


def test_kept_and_removed_are_orthogonal_for_an_orthogonal_projector_alone() -> None:
    X, X_hat, _ = (e[:, None, None, :] for e in known.blocks(U, 8, 50, True, 1, torch.Generator().manual_seed(0)))
    found = {}
    for name, matrix in MATRICES.items():
        F = known.linear(matrix)
        found[name] = cosine(F(X_hat), F(X), X_hat, X)
    assert found["orthogonal"].abs().max() < 1e-9 and found["oblique"].nanmean() < -0.1
    assert found["shrunk"].mean() > 0.1, "a half is kept in the direction that is removed, too"
    assert found["identity"].isnan().all()


def test_a_constant_map_has_no_asymmetry() -> None:
    found = of(lambda X: 0 * X, torch.ones(1, 1, 2, 2), 2)
    assert found.trace == found.squares == 0 and found.asymmetry != found.asymmetry
