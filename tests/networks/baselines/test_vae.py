"""The variational autoencoder: its loss against torch.distributions, its map's network."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from anomaly_lab.networks.baselines.vae import VAE, kl


def small() -> VAE:
    torch.manual_seed(0)
    return VAE(16, 4, 0.25, 0.05)


def test_kl_is_that_of_torch_distributions() -> None:
    mean, log_variance = torch.randn(5, 4), torch.randn(5, 4)
    q = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    p = Independent(Normal(torch.zeros(5, 4), torch.ones(5, 4)), 1)
    torch.testing.assert_close(kl(mean, log_variance), kl_divergence(q, p))
    assert float(kl(torch.zeros(1, 3), torch.zeros(1, 3))) == 0


def test_the_loss_is_the_negative_elbo_up_to_its_constant() -> None:
    """−log N(X; D(z), s²) without ½ n log(2πs²), and KL, of the z that was drawn."""
    network, X = small(), torch.rand(3, 3, 16, 16)
    torch.manual_seed(5)
    found = network.loss(X, X, torch.zeros(3, 1, 16, 16))
    torch.manual_seed(5)
    mean, log_variance = network.posterior(network.encoder(X))
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    p = Normal(network.decoded(z), 0.05**0.5)
    constant = 0.5 * torch.log(torch.tensor(2 * torch.pi * 0.05))
    likelihood = (p.log_prob(X) + constant).flatten(1).sum(1)
    torch.testing.assert_close(found, (kl(mean, log_variance) - likelihood).mean() / (3 * 256))


def test_testing_uses_the_mean_and_draws_nothing() -> None:
    network, X = small(), torch.rand(1, 3, 16, 16)
    expected = network.decoded(network.posterior(network.encoder(X))[0])
    assert torch.equal(network(X), expected) and torch.equal(network(X), expected)


def test_more_variance_gives_the_prior_more_weight() -> None:
    """After a short training with a huge s², q is the prior: the posterior collapses, as it must."""
    torch.manual_seed(0)
    network, X = VAE(16, 4, 0.25, 1e4), torch.rand(4, 3, 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    before = float(kl(*network.posterior(network.encoder(X))).mean().detach())
    for _ in range(30):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(kl(*network.posterior(network.encoder(X))).mean().detach()) < 0.3 * before


def test_a_variance_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.variance is 0"):
        VAE(16, 4, 0.25, 0)


def test_a_log_variance_beyond_its_bound_can_come_back() -> None:
    network = small()
    with torch.no_grad():
        network.bottleneck.bias[4:] = 20
    _, log_variance = network.posterior(network.encoder(torch.rand(1, 3, 16, 16)))
    assert float(log_variance.detach().min()) > 9 and float(log_variance.detach().max()) < 10
    kl(torch.zeros(1, 4), log_variance).sum().backward()
    assert float(network.bottleneck.bias.grad[4:].min()) > 1, "descent makes it smaller"
