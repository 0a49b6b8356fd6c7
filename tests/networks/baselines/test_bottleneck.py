"""The autoencoder of AE_L2 and AE_SSIM."""

import pytest
import torch
from torch import nn

from anomaly_lab.networks.baselines.anogan import AnoGAN
from anomaly_lab.networks.baselines.attention_vae import AttentionVAE
from anomaly_lab.networks.baselines.bottleneck import BottleneckAutoencoder, at_side
from anomaly_lab.networks.baselines.vae import VAE


def test_layers_are_those_of_the_papers_table_1() -> None:
    """Output sizes for 128 × 128, as printed: 64, 32, 32, 16, 16, 8, 8, 8, then 1 × 1 × 100."""
    network = BottleneckAutoencoder(128, 100, 1)
    x, seen = torch.rand(1, 3, 128, 128), []
    for layer in network.encoder:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            seen.append((x.shape[-1], x.shape[1]))
    assert seen == [(64, 32), (32, 32), (32, 32), (16, 64), (16, 64), (8, 128), (8, 64), (8, 32)]
    z = network.bottleneck(x)
    assert z.shape == (1, 100, 1, 1) and network.decoder(z).shape == (1, 3, 128, 128)


def test_what_the_latent_does_not_hold_is_lost() -> None:
    """The defining property: F's image is a manifold of at most `latent` dimensions, the rank of its Jacobian."""
    torch.manual_seed(0)
    network = BottleneckAutoencoder(16, 3, 0.25).double()
    jacobian = torch.autograd.functional.jacobian(network, torch.rand(1, 3, 16, 16, dtype=torch.float64)).reshape(768, 768)
    values = torch.linalg.svdvals(jacobian)
    assert values[2] > 1e-6 * values[0] and values[3] < 1e-5 * values[0]


def test_another_size_is_resized_and_back() -> None:
    X = torch.rand(2, 3, 32, 32)
    assert torch.equal(at_side(lambda x: x, X, 32), X)
    flat = torch.full((1, 3, 20, 44), 0.3)
    torch.testing.assert_close(at_side(lambda x: x, flat, 16), flat)
    assert BottleneckAutoencoder(32, 4, 0.25)(torch.rand(1, 3, 40, 24)).shape == (1, 3, 40, 24)


def test_it_learns_two_images_with_one_latent_number() -> None:
    torch.manual_seed(0)
    X = torch.stack([torch.full((3, 16, 16), 0.2), torch.full((3, 16, 16), 0.8)])
    network = BottleneckAutoencoder(16, 1, 0.25)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        loss = (network(X) - X).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.02


@pytest.mark.parametrize("side", [0, 100, 1.5])
def test_a_side_that_cannot_be_shrunk_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match=r"model.side is .*multiple of 16"):
        BottleneckAutoencoder(side, 4, 1)


@pytest.mark.parametrize("size", [(24, 40), (8, 8), (16, 16)])
def test_the_loss_of_a_network_for_one_size_takes_any_crop(size: tuple[int, int]) -> None:
    """Crops have other sizes in a debugging run, and where whole images are trained."""
    for network in (
        VAE(16, 2, 0.25, 0.1),
        AttentionVAE(16, 2, 0.25, 0.1, 0.1),
        AnoGAN(16, 2, 2, 1, 0.1, 0.1),
    ):
        X = torch.rand(2, 3, *size)
        loss = network.loss(X, X, X[:, :1])
        loss.backward()
        assert torch.isfinite(loss)
