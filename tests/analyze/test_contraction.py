"""Gains by hand, and the directions of normal variation."""

import known
import pytest
import torch

from anomaly_lab.analyze.contraction import change, gain, gains, shifts
from anomaly_lab.analyze.jacobian import Jacobian


def test_gain_and_change_by_hand() -> None:
    v = torch.tensor([[[[3.0, 4.0]]], [[[1.0, 0.0]]]])
    assert gain(2 * v, v).tolist() == [2, 2] and change(2 * v, v).tolist() == [1, 1]
    assert gain(0 * v, v).tolist() == [0, 0] and change(0 * v, v).tolist() == [1, 1]
    assert change(-v, v).tolist() == [2, 2], "the length is kept, the direction is not"


def test_a_shift_is_the_derivative_along_the_axis() -> None:
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    right, down = shifts((2 * columns + 5 * rows)[None, None])
    assert (right[..., 1:-1] == -2).all() and (right[..., 0] == 0).all()
    assert (down[..., 1:-1, :] == -5).all() and (down[..., -1, :] == 0).all()


def test_the_gains_are_means_over_directions_that_are_not_zero() -> None:
    A = torch.diag(torch.tensor([1.0, 0.5, 0.0, 0.0]))
    J = Jacobian(known.linear(A), torch.zeros(1, 1, 1, 4))
    first, second, none = torch.eye(4)[0].view(1, 1, 1, 4), torch.eye(4)[1].view(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)
    kept, changed = gains(J, [first, second, none])
    assert float(kept) == pytest.approx(0.75) and float(changed) == pytest.approx(0.25)


def test_the_tangent_of_a_curved_manifold_is_kept_and_a_corruption_is_not() -> None:
    F = known.Bumps()
    X = F.image(torch.tensor([7.3, 8.1, 2.2], dtype=torch.float64))[None, None]
    J = Jacobian(F, X)
    normal, changed = gains(J, shifts(X))
    corruption = torch.zeros_like(X)
    corruption[..., 7, 11] = 1
    assert (
        float(normal) == pytest.approx(1, abs=0.02) and float(changed) < 0.15
    )  # a difference over two pixels is no derivative
    assert float(gains(J, [corruption])[0]) < 0.3
