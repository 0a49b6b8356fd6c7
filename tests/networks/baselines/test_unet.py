"""The U-Net: sizes, reach, skip connections."""

import pytest
import torch

from anomaly_lab.networks.baselines.unet import UNet


@pytest.mark.parametrize("size", [(8, 8), (33, 50), (7, 100), (64, 64)])
def test_any_size(size: tuple[int, int]) -> None:
    assert UNet(2, 5, 4).eval()(torch.rand(2, 2, *size)).shape == (2, 5, *size)


def test_the_usual_width_has_as_many_weights_as_told() -> None:
    assert sum(p.numel() for p in UNet(3, 3, 16).parameters()) == pytest.approx(0.44e6, rel=0.02)


def test_fine_structure_passes_by_the_skip_connections() -> None:
    """It learns to copy noise, which no bottleneck of stride 8 and 32 filters could hold."""
    torch.manual_seed(0)
    network, X = UNet(3, 3, 4), torch.rand(1, 3, 32, 32)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        loss = (network(X) - X).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.6 * X.var()
