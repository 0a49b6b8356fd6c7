"""NSA's network: its loss by hand, its map, and that it learns."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.networks.baselines import nsa
from anomaly_lab.networks.baselines.nsa import NSA, corrupted


def waves(count: int) -> Tensor:
    """Stripes of random phases."""
    rng = np.random.default_rng(0)
    x = np.arange(64)
    rows = [np.tile(0.5 + 0.3 * np.sin(2 * np.pi * (x + rng.uniform(0, 8)) / 8), (64, 1)) for _ in range(count)]
    return torch.tensor(np.stack(rows)[:, None].repeat(3, 1), dtype=torch.float32)


def test_the_loss_is_the_cross_entropy_with_soft_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logit of 0 costs log 2 whatever the label; a logit of log 3 (p = ¾) with the label ½ costs −½ log(¾ · ¼)."""
    network = NSA(2)
    X = torch.rand(2, 3, 16, 16)
    monkeypatch.setattr(nsa, "corrupted", lambda X: (X, torch.full((2, 16, 16), 0.5)))
    for logit, expected in ((0.0, np.log(2)), (np.log(3), -0.5 * np.log(3 / 16))):

        class Constant(nn.Module):
            def forward(self, X: Tensor, logit: float = logit) -> Tensor:
                return torch.full_like(X[:, :1], logit)

        network.network = Constant()  # type: ignore[assignment]
        assert float(network.loss(X, X, X[:, :1])) == pytest.approx(expected)
        output, found = network.examine(X)
        assert output is None and float(found[0, 0, 0]) == pytest.approx(0.5 if logit == 0 else 0.75)


def test_patches_come_from_other_crops_and_follow_the_seed() -> None:
    X = waves(3)
    torch.manual_seed(0)
    Y, target = corrupted(X)
    torch.manual_seed(0)
    again, _ = corrupted(X)
    assert torch.equal(Y, again) and target.shape == (3, 64, 64)
    assert float(target.max()) > 0.5 and float(((Y - X).abs().amax(1) == 0).float().mean()) > 0.2
    assert float(target[(Y - X).abs().amax(1) == 0].mean()) < 0.05


def test_it_learns_to_mark_patches() -> None:
    torch.manual_seed(0)
    X, network = waves(2), NSA(4)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(80):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.manual_seed(1)
    Y, target = corrupted(X)
    found = network.eval().examine(Y)[1].detach()
    assert float(found[target > 0.5].mean()) > float(found[target == 0].mean()) + 0.05
