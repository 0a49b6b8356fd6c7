"""Identity on the manifold by hand."""

import pytest
import torch

from anomaly_lab.analyze.identity import error


def test_the_error_is_measured_in_units_of_the_contrast() -> None:
    X = torch.tensor([[[[0.0, 1.0]]]])  # ‖X − x̄‖ = √½
    assert float(error(X, X)) == 0
    assert float(error(torch.full_like(X, 0.5), X)) == pytest.approx(1), "the flat mean"
    assert float(error(X + torch.tensor([0.1, 0.0]), X)) == pytest.approx(0.1 * 2**0.5)
    assert error(X, torch.ones_like(X)).isnan().all(), "a flat image has no contrast"


def test_its_square_is_the_relative_error_of_the_validation() -> None:
    X, Y = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    spread = X - X.mean((-2, -1), keepdim=True)
    assert float(error(Y, X)) ** 2 == pytest.approx(float((Y - X).square().sum() / spread.square().sum()), rel=1e-5)
