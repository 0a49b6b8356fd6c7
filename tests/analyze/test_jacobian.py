"""Products with the Jacobian against the full one."""

import torch

from anomaly_lab.analyze.jacobian import Jacobian, signs


def test_products_are_those_of_the_full_jacobian() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(3, 2, 3, padding=1)
    ).double()
    X = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    full = torch.func.jacrev(network)(X).reshape(40, 40)
    J, v = Jacobian(network, X), torch.randn_like(X)
    torch.testing.assert_close(J.times(v).flatten(), full @ v.flatten())
    torch.testing.assert_close(J.transposed(v).flatten(), full.t() @ v.flatten())
    torch.testing.assert_close(J.transposed(v).flatten(), full.t() @ v.flatten())  # a second time
    torch.testing.assert_close(J.value, network(X))
    assert not J.times(v).requires_grad


def test_signs_have_length_root_n_and_follow_the_generator() -> None:
    like = torch.zeros(1, 3, 4, 4)
    a, b = (signs(like, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert (a.abs() == 1).all() and a.dtype == like.dtype and (a != b).any()
    assert (a == signs(like, torch.Generator().manual_seed(1))).all()
