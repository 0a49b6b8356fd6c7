"""The filtering autoencoder: equation (1) with noise in input and target; convex combinations; folding."""

import pytest
import torch
from torch import Tensor

from anomaly_lab.networks.baselines.filtering import ConvexCombination, FilteringAutoencoder
from anomaly_lab.networks.sdc_autoencoder import RATES, SDCAutoencoder
from anomaly_lab.objectives import restore, uncorrelated


def small(convex: bool = False, noise: float = 0.1, rates: tuple[int, ...] = RATES) -> FilteringAutoencoder:
    torch.manual_seed(0)
    return FilteringAutoencoder(0.0625, False, rates, convex, noise, 0.75, "squared", None)


def test_the_noise_stays_in_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: F passes its input on. Then the normal region has no error, whatever the noise, and the region of M has X̂ − X,
    without the noise: (1 − λ) · (.5)² = .0625."""
    network = small()
    seen: list[Tensor] = []
    monkeypatch.setattr(FilteringAutoencoder, "forward", lambda self, x: seen.append(x) or x)
    X, M = torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)
    M[..., 4:8, 4:8] = 1
    X_hat = X + 0.5 * M
    assert float(network.loss(X, X_hat, M)) == pytest.approx(0.25 * 0.25, rel=1e-4)
    noise = seen[0] - X_hat
    assert float(noise.std()) == pytest.approx(0.1, rel=0.1)


def test_without_noise_it_is_equation_1() -> None:
    network, X = small(noise=0.0).eval(), torch.rand(2, 3, 16, 16)
    X_hat, M = torch.rand(2, 3, 16, 16), (torch.rand(2, 1, 16, 16) > 0.5).float()
    expected = restore(network(X_hat), X, X_hat, M, 0.75, "squared")
    torch.testing.assert_close(network.loss(X, X_hat, M), expected)


def test_the_term_against_a_flat_grey_is_added() -> None:
    network, X = small(noise=0.0).eval(), torch.rand(2, 3, 16, 16)
    M = torch.ones(2, 1, 16, 16)
    alone = network.loss(X, X, M)
    network.correlation = 0.5
    torch.testing.assert_close(network.loss(X, X, M), alone + uncorrelated(network(X), X, 0.5))


def test_without_the_later_parts_it_is_the_papers_network() -> None:
    network, paper = small(), SDCAutoencoder(0.0625, False, False)
    paper.load_state_dict(network.state_dict())
    X = torch.rand(1, 3, 24, 32)
    assert torch.equal(network.eval()(X), paper.eval()(X))


def test_a_convex_combination_is_worked_out_by_hand() -> None:
    """With equal matching weights and a share whose logit is log 3: ¾ e + ¼ d."""
    mixer = ConvexCombination(1, 1)
    with torch.no_grad():
        mixer.match.weight.fill_(1)
        mixer.match.bias.zero_()  # type: ignore[union-attr]
        mixer.share.weight.zero_()
        mixer.share.bias.fill_(3.0).log_()  # type: ignore[union-attr]
    e, d = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 2, 2), 6.0)
    torch.testing.assert_close(mixer(e, d), torch.full((1, 1, 2, 2), 3.0))


@pytest.mark.parametrize("convex", [False, True])
def test_folding_changes_nothing_and_any_size_works(convex: bool) -> None:
    network = small(convex, rates=(1, 2, 4, 8, 16, 32))
    for _ in range(2):
        network.train()(torch.rand(2, 3, 32, 32))
    network.eval()
    X = torch.rand(1, 3, 30, 21)
    torch.testing.assert_close(network.folded()(X), network(X), rtol=1e-3, atol=1e-4)


def test_the_later_network_sees_the_encoder_and_a_sixth_rate() -> None:
    network = small(True, rates=(1, 2, 4, 8, 16, 32))
    assert network.mixers is not None and [len(layer.branches) for layer in network.encoder[9:]] == [6] * 4  # type: ignore[arg-type]
    network.loss(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_negative_noise_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.noise is -1"):
        small(noise=-1)
