"""FAIR: its filter by hand, what F can see, its loss."""

import math

import pytest
import torch

from anomaly_lab.networks import similarity
from anomaly_lab.networks.baselines import fair
from anomaly_lab.networks.baselines.fair import FAIR, high_pass


@pytest.mark.parametrize("cycles", [2, 8, 20])
def test_a_cosine_is_weakened_by_butterworths_gain(cycles: int) -> None:
    """cos(π c (x + ½) / 64) is mirrored without a kink: c/2 cycles in 64 pixels."""
    x = torch.arange(64) + 0.5
    wave = torch.cos(math.pi * cycles * x / 64).expand(1, 3, 64, 64)
    f, d = cycles / 128, 0.1
    expected = wave[:, :1] / (1 + (d / f) ** 4)
    torch.testing.assert_close(high_pass(wave, d, 2), expected, rtol=1e-4, atol=1e-5)


def test_brightness_and_colour_are_not_seen() -> None:
    torch.manual_seed(0)
    network, X = FAIR(4, 0.1, 2).eval(), torch.rand(1, 3, 32, 32) * 0.5
    tinted = X + torch.tensor([0.2, 0.1, 0.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(network(X), network(tinted), rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_the_restored_corrupted_image(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, X, Y = FAIR(4, 0.1, 2).eval(), torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    monkeypatch.setattr(fair, "corrupted", lambda X: (Y, None))
    output = network(Y)
    expected = (output - X).square().mean() + 1 - similarity.ssim(output, X).mean()
    torch.testing.assert_close(network.loss(X, X, X[:, :1]), expected)


def test_it_learns_to_restore_a_texture() -> None:
    torch.manual_seed(0)
    x = torch.arange(32.0)
    X = torch.stack([0.5 + 0.3 * torch.sin(2 * math.pi * (x + s) / 8) for s in (0, 3)])[:, None, None].expand(2, 3, 32, 32)
    X = X.contiguous()
    network = FAIR(4, 0.1, 2)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(25):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    assert float((network(X) - X).detach().square().mean()) < 0.5 * X.var()


def test_a_wrong_filter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.cutoff and order are 0 and 2"):
        FAIR(4, 0, 2)
