"""The variational autoencoder: its loss against torch.distributions, its map's network."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from anomaly_lab.networks.baselines.vae import VAE, kl


def small(warmup: int = 0) -> VAE:
    torch.manual_seed(0)
    return VAE(16, 4, 0.25, 0.05, warmup)


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
    network, X = VAE(16, 4, 0.25, 1e4, 0), torch.rand(4, 3, 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    before = float(kl(*network.posterior(network.encoder(X))).mean().detach())
    for _ in range(30):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(kl(*network.posterior(network.encoder(X))).mean().detach()) < 0.3 * before


def test_the_weight_of_kl_rises_in_the_warm_up() -> None:
    """0, 1/2, 1, 1 in training with a warm-up of two steps; 1 in testing, which counts no step."""
    network, X, mean = small(2), torch.zeros(1, 3, 16, 16), torch.full((1, 4), 2.0)

    def found() -> float:
        return float(network.negative_elbo(X, X, mean, torch.zeros(1, 4))) * X.numel()

    assert [found() for _ in range(4)] == pytest.approx([0, 4, 8, 8]), "KL is ½ Σ μ² = 8"
    network.steps_made.zero_()
    network.eval()
    assert found() == pytest.approx(8) and network.steps_made == 0
    assert "steps_made" in network.state_dict(), "a resumed run goes on where it was"


@pytest.mark.parametrize(("variance", "warmup"), [(0, 0), (0.1, -1)])
def test_values_that_make_no_sense_are_refused(variance: float, warmup: int) -> None:
    with pytest.raises(
        ValueError, match=rf"model.variance, warmup are {variance}, {warmup}: they must be above 0, and 0 or above"
    ):
        VAE(16, 4, 0.25, variance, warmup)
