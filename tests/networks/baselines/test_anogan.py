"""The generative network: who is trained by what, and the search of the latent."""

import math

import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.networks.baselines.anogan import AnoGAN


def small(**changes: float) -> AnoGAN:
    torch.manual_seed(0)
    options = {"side": 16, "latent": 4, "width": 4, "steps": 60, "rate": 0.1, "lam": 0.1} | changes
    return AnoGAN(**options)  # type: ignore[arg-type]


class Grey(nn.Module):
    """Logits of a grey level that is the first latent number."""

    def forward(self, z: Tensor) -> Tensor:
        return z[:, :1].expand(-1, 3, 16, 16)


def test_the_search_finds_the_latent_of_a_generated_image() -> None:
    """With G(z) = sigmoid(z₁) everywhere, the image of grey .7 is in the range. Where a quarter is .9, the nearest image in
    the sum of absolute differences is still .7, the median."""
    network = small(lam=0.0, steps=100, rate=0.05).eval()
    network.generator = Grey()  # type: ignore[assignment]
    X = torch.full((1, 3, 16, 16), 0.7)
    with torch.inference_mode():
        found = network(X)
    torch.testing.assert_close(found, X, rtol=0, atol=0.01)
    X[..., 12:] = 0.9
    assert float(network(X).mean()) == pytest.approx(0.7, abs=0.02)


def test_a_defect_is_not_in_the_generators_range() -> None:
    network = small(lam=0.0, steps=60, rate=0.05).eval()
    network.generator = Grey()  # type: ignore[assignment]
    X = torch.full((1, 3, 16, 16), 0.6)
    X[..., 2:5, 2:5] = 0.0
    error = (network(X) - X).abs().mean(1)[0]
    assert float(error[2:5, 2:5].min()) > 0.5 and float(error[8:].max()) < 0.02


def test_the_loss_of_an_undecided_discriminator_is_three_log_two() -> None:
    network = small()
    nn.init.zeros_(network.verdict.weight)
    assert network.verdict.bias is not None
    nn.init.zeros_(network.verdict.bias)
    X = torch.rand(3, 3, 16, 16)
    assert float(network.loss(X, X, X[:, :1]).detach()) == pytest.approx(3 * math.log(2))


def test_each_is_trained_by_its_own_term(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator's gradient is that of −log D(G(z)) alone, the discriminator's that of its own two terms."""
    network, X = small(), torch.rand(3, 3, 16, 16)
    z = torch.randn(3, 4)
    monkeypatch.setattr(torch, "randn", lambda *size, device=None: z)
    network.loss(X, X, X[:, :1]).backward()
    found = [p.grad.clone() for p in network.parameters()]  # type: ignore[union-attr]
    network.zero_grad()
    softplus = nn.functional.softplus
    told = (softplus(-network._logit(X)) + softplus(network._logit(network.generated(z)))).mean()
    own = torch.autograd.grad(told, [*network.features.parameters(), *network.verdict.parameters()])
    fooled = softplus(-network._logit(network.generated(z))).mean()
    generators = torch.autograd.grad(fooled, list(network.generator.parameters()))
    torch.testing.assert_close(found, [*generators, *own], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("changes", [{"side": 12}, {"side": 4}, {"lam": 2}])
def test_wrong_values_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"model\.(side|lam) is"):
        small(**changes)
