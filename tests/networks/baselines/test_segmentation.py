"""Direct segmentation: its loss by hand, what its output can say, and that it learns to mark."""

import math

import pytest
import torch
from torch import nn

from anomaly_lab.networks.baselines.segmentation import Segmentation


def small(standardize: bool = True) -> Segmentation:
    torch.manual_seed(0)
    return Segmentation(0.0625, standardize)


def test_the_loss_is_the_cross_entropy_by_hand() -> None:
    """Logit log 3 everywhere is a probability of ¾; a quarter of the pixels is marked: −(¼ log ¾ + ¾ log ¼)."""
    network = small()
    nn.init.zeros_(network.last.weight)
    nn.init.constant_(network.last.bias, math.log(3))  # type: ignore[arg-type]
    X, M = torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)
    M[..., :8, :8] = 1
    expected = -(0.25 * math.log(0.75) + 0.75 * math.log(0.25))
    assert float(network.loss(X, X, M).detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("contrast", [0.0, 0.02, 0.14])
def test_every_probability_can_be_said_whatever_the_contrast(contrast: float) -> None:
    """|F(X) − X|, which objective=segment takes, stays below .6 on these images."""
    network = small()
    X = (0.5 + contrast * torch.randn(1, 3, 24, 21)).clamp(0, 1)
    for bias in (-20.0, 20.0):
        nn.init.constant_(network.last.bias, bias)  # type: ignore[arg-type]
        nn.init.zeros_(network.last.weight)
        output, found = network.eval().examine(X)
        assert output is None and found.shape == (1, 24, 21)
        torch.testing.assert_close(found, torch.full_like(found, float(bias > 0)))


def test_the_light_of_a_crop_does_not_matter() -> None:
    X = torch.rand(1, 3, 16, 16)
    changes = []
    for standardize in (True, False):
        with torch.inference_mode():
            network = small(standardize).eval()
            changes.append(float((network(0.5 * X + 0.2) - network(X)).abs().mean() / network(X).std()))
    assert changes[0] < 0.05 < 5 * changes[0] < changes[1]


def test_it_learns_to_mark_a_bright_square() -> None:
    torch.manual_seed(0)
    network, M = Segmentation(0.125, True), torch.zeros(4, 1, 32, 32)
    M[..., 8:16, 8:16] = 1
    X = 0.4 + 0.1 * torch.rand(4, 3, 32, 32)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(20):
        loss = network.loss(X, X + 0.3 * M, M)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found = network.examine(X + 0.3 * M)[1]  # with the statistics of these images, since the running ones need more steps
    assert float(found[:, 8:16, 8:16].mean()) > 2 * float(found[:, 20:, 20:].mean())
