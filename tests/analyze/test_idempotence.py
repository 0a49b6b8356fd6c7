"""Iterates of maps whose course is known."""

import known
import pytest
import torch

from anomaly_lab.analyze.idempotence import iterates

X = torch.tensor([[[[1.0, -1.0, 0.0, 0.0]]]], dtype=torch.float64)
X_hat = X + torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64)


def test_halving_converges_to_nothing_at_the_rate_of_a_half() -> None:
    found = iterates(lambda x: x / 2, X_hat, X, 6)
    assert found.steps[0].tolist() == pytest.approx([3**0.5 / 2**k for k in range(1, 7)])
    assert float(found.second) == pytest.approx(0.5) and float(found.rate) == pytest.approx(0.5)
    assert found.distances[0, 0] == pytest.approx(1)
    assert float(found.contrast) == pytest.approx(2**-6 * (2.75 / 2) ** 0.5), "‖X̂ − x̄‖² = 3 − 4/16"


def test_a_projector_is_done_after_one_pass_and_has_no_rate() -> None:
    P = torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    found = iterates(known.linear(P), X_hat, X, 3)
    assert found.steps[0].tolist() == [1, 0, 0] and found.distances[0].tolist() == [1, 0, 0, 0]
    assert float(found.second) == 0 and found.rate.isnan().all()


def test_a_map_that_never_comes_to_rest_has_rate_one() -> None:
    found = iterates(lambda x: -x, X_hat, X, 5)
    assert float(found.second) == float(found.rate) == 1


def test_each_image_has_its_own_course() -> None:
    found = iterates(
        lambda x: torch.tensor([0.5, 0.25]).view(2, 1, 1, 1) * x, torch.ones(2, 1, 1, 4), torch.ones(2, 1, 1, 4), 3
    )
    assert found.second.tolist() == pytest.approx([0.5, 0.25])
