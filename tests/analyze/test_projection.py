"""The transfer of a corruption by hand, and that of a projector by its dimensions."""

import known
import pytest
import torch

from anomaly_lab.analyze.projection import transfer


def test_what_is_wrong_inside_and_outside_by_hand() -> None:
    X, M = torch.zeros(1, 1, 1, 4), torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    X_hat = torch.tensor([[[[3.0, 4.0, 0.0, 0.0]]]])  # ‖X̂ − X‖ = 5
    Y_hat, Y = torch.tensor([[[[1.0, 0.0, 2.0, 0.0]]]]), torch.tensor([[[[1.0, 3.0, 7.0, 0.0]]]])
    found = transfer(Y_hat, Y, X_hat, X, M)
    assert [float(each) for each in found] == pytest.approx([1 / 5, 2 / 5, 3 / 5])
    kept = transfer(X_hat, X, X_hat, X, M)
    assert [float(each) for each in kept] == [1, 0, 1]


def test_an_orthogonal_projector_leaves_the_share_of_its_dimensions() -> None:
    rng = torch.Generator().manual_seed(0)
    U = known.subspace(64, 4, 0)
    X, _, M = (each[:, None, None, :] for each in known.blocks(U, 8, 4000, True, 1, rng))
    noise = torch.where(M > 0, X + torch.randn(X.shape, generator=rng, dtype=X.dtype), X)  # no preferred direction
    found = transfer(known.linear(known.orthogonal(U))(noise), X, noise, X, M)
    assert float((found.inside**2 + found.outside**2).mean()) == pytest.approx(4 / 64, rel=0.05)
