"""Patch AE with features held near where they began."""

from typing import Any

import numpy as np
import pytest
import torch

from anomaly_lab.networks.held_patches import HeldPatchAutoencoder, apart

OPTIONS: dict[str, Any] = {
    **{"encoder": "random", "encoder_file": None, "neighbourhood": 3},
    **{"frozen": False, "decoder": "patch_wise", "hidden": 8, "encoder_rate": 1.0},
}


def network(**weights: float) -> HeldPatchAutoencoder:
    torch.manual_seed(0)
    found = HeldPatchAutoencoder(**{"hold": 0.0, "variance": 0.0, "covariance": 0.0} | weights, **OPTIONS)
    found.begin([torch.rand(3, 64, 64) for _ in range(2)])
    return found.train()


def moved(weights: dict[str, float]) -> float:
    """The distance of the features from the first ones after 30 steps."""
    net, X = network(**weights), torch.rand(4, 3, 64, 64)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(30):
        optimizer.zero_grad()
        net.loss(X, X, X[:, :1]).backward()
        optimizer.step()
    with torch.no_grad():
        return float(apart(net._units(net.encode(X)), net._units(net.first(X)))[0])


def test_the_terms_are_those_worked_out_by_hand() -> None:
    V0 = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])  # spreads 1, 1; correlation 0
    V = torch.tensor([[0.5, 2.0], [-0.5, -2.0], [0.5, 2.0], [-0.5, -2.0]])  # spreads ½, 2; correlation 1
    distance, variance, covariance = apart(V, V0)
    assert float(distance) == pytest.approx(np.mean([0.25, 0.25, 0.25, 0.25, 1.0, 9.0, 9.0, 1.0]))
    assert float(variance) == pytest.approx(0.25)  # (½ + 0) / 2: more spread costs nothing
    assert float(covariance) == pytest.approx(0.5)  # (0 + 1 + 1 + 0) / 4


def test_where_nothing_has_been_learnt_only_the_reconstruction_costs() -> None:
    X = torch.rand(2, 3, 64, 64)
    free, held = (network(**weights) for weights in ({}, {"hold": 1.0, "variance": 1.0, "covariance": 1.0}))
    losses = [float(net.loss(X, X, X[:, :1]).detach()) for net in (held, free)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_held_features_move_less() -> None:
    free = moved({})
    assert moved({"hold": 10.0}) < 0.5 * free


def test_the_first_encoder_stays() -> None:
    net = network(hold=1.0)
    assert not any(p.requires_grad for p in net.first.parameters())
    assert all(torch.equal(a, b) for a, b in zip(net.first.parameters(), net.encoder.parameters(), strict=True))


@pytest.mark.parametrize("name", ["hold", "variance", "covariance"])
def test_a_negative_weight_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"model.{name} is -1"):
        network(**{name: -1.0})
