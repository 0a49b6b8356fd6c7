"""The attention of the latent, against derivatives worked out without autograd."""

import pytest
import torch

from anomaly_lab.networks.baselines.attention_vae import ATTENDED, AttentionVAE


def small(expansion: float = 0.5) -> AttentionVAE:
    torch.manual_seed(0)
    return AttentionVAE(32, 4, 0.25, 0.05, expansion)


def test_attention_is_grad_cam_of_the_sum_of_the_latent() -> None:
    """The mean of ∂(Σ μᵢ)/∂A_k(place) over the places is the change of Σ μᵢ, when all of A_k rises, for each place."""
    network, X = small().double(), torch.rand(2, 3, 32, 32, dtype=torch.float64)
    network.posterior = lambda f: network.bottleneck(f).flatten(1).chunk(2, 1)  # type: ignore[method-assign]  # in float64
    features, mean, _ = network.split(X)
    weights = []
    for k in range(features.shape[1]):
        raised = features.clone()
        raised[:, k] += 1e-6
        changed = network.posterior(network.encoder[ATTENDED:](raised))[0]
        weights.append((changed - mean).sum(1) / 1e-6 / features[0, 0].numel())
    expected = torch.sigmoid(torch.einsum("kb,bkhw->bhw", torch.stack(weights), features))
    found = network.attention(features, mean)
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)
    assert not torch.equal(*torch.stack(weights).unbind(1)), "they differ between images"


def test_the_map_is_what_is_left_of_one_and_needs_no_gradient_mode() -> None:
    network, X = small().eval(), torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        output, found = network.examine(X)
    assert output.shape == X.shape and found.shape == (1, 32, 32) and not found.requires_grad
    features, mean, _ = network.split(X)
    A = network.attention(features, mean)
    assert float(found.mean()) == pytest.approx(float((1 - A).mean().detach()), abs=0.01)
    assert float(found.min()) >= float((1 - A).min().detach()) - 1e-6


def test_training_expands_the_attention() -> None:
    network, X = small(1.0), torch.rand(4, 3, 32, 32)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    before = float(network.eval().examine(X)[1].mean())
    for _ in range(15):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(network.examine(X)[1].mean()) < before - 0.1


def test_the_loss_adds_the_weighted_share_that_is_not_looked_at() -> None:
    X = torch.rand(2, 3, 32, 32)
    losses = []
    for expansion in (0.0, 0.5):
        network = small(expansion)
        torch.manual_seed(1)
        losses.append(network.loss(X, X, X[:, :1]))
    features, mean, _ = network.split(X)
    A = network.attention(features, mean)
    torch.testing.assert_close(losses[1] - losses[0], 0.5 * (1 - A).mean())


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.expansion is -1"):
        small(-1)
