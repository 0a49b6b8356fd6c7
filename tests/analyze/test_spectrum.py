"""Lanczos against dense eigenvalues."""

import math

import known
import pytest
import torch

from anomaly_lab.analyze.jacobian import signs
from anomaly_lab.analyze.spectrum import Density, lanczos, resolved, shares


def seen(A: torch.Tensor, steps: int, seed: int = 0) -> Density:
    v = signs(torch.zeros(len(A), dtype=A.dtype), torch.Generator().manual_seed(seed))
    return lanczos(lambda x: A @ x, v, steps)


def test_all_steps_give_all_eigenvalues() -> None:
    torch.manual_seed(0)
    B = torch.randn(20, 20, dtype=torch.float64)
    A = B @ B.t()
    found = seen(A, 20)
    torch.testing.assert_close(found.values, torch.linalg.eigvalsh(A), rtol=1e-8, atol=1e-8)
    assert float(found.weights.sum()) == pytest.approx(1)


def test_moments_are_exact_below_twice_the_steps() -> None:
    torch.manual_seed(0)
    B = torch.randn(50, 50, dtype=torch.float64)
    A, v = B @ B.t() / 50, signs(torch.zeros(50, dtype=torch.float64), torch.Generator().manual_seed(0))
    found = lanczos(lambda x: A @ x, v, 4)
    for power in range(8):
        expected = float(v @ torch.linalg.matrix_power(A, power) @ v) / 50
        assert float(found.weights @ found.values**power) == pytest.approx(expected, rel=1e-9)


def test_a_projector_ends_after_two_steps_with_the_share_of_its_dimensions() -> None:
    P = known.orthogonal(known.subspace(1000, 250, 0))
    found = seen(P, 30)
    assert found.values.tolist() == pytest.approx([0, 1], abs=1e-9)
    assert shares(found, 30)["near_1"] == pytest.approx(0.25, abs=0.03)
    assert shares(found, 30)["near_0"] + shares(found, 30)["near_1"] == pytest.approx(1)


def test_the_shares_are_those_of_dense_singular_values() -> None:
    values = torch.cat(
        [torch.linspace(0, 0.2, 500), torch.full((200,), 0.5), torch.linspace(0.9, 1.1, 250), torch.full((50,), 3.0)]
    )
    found = shares(seen(torch.diag(values.double().square()), 32), 32)
    expected = {"near_0": 0.5, "between": 0.2, "near_1": 0.25, "beyond": 0.05, "largest": 3.0}
    assert found == pytest.approx(expected, abs=0.01)


def test_nothing_has_the_singular_value_zero() -> None:
    found = shares(seen(torch.zeros(5, 5, dtype=torch.float64), 4), 4)
    assert found["near_0"] == 1 and found["largest"] == 0


def test_beside_a_large_singular_value_the_shares_are_not_told() -> None:
    values = torch.exp(torch.linspace(math.log(0.03), math.log(45), 500))
    found = shares(seen(torch.diag(values.double().square()), 32), 32)
    assert math.isnan(found["near_0"]) and math.isnan(found["beyond"]) and found["largest"] == pytest.approx(45)
    assert resolved(5, 32) and not resolved(5.2, 32)
