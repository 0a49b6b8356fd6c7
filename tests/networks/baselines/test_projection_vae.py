"""The iterated restoration: one step by hand, and what many steps do."""

import pytest
import torch
from torch import Tensor

from anomaly_lab.networks.baselines.projection_vae import ProjectionVAE


def grey(steps: int, alpha: float, lam: float, exact: bool) -> ProjectionVAE:
    """A network that reconstructs a grey of 0.5 whatever it sees."""
    network = ProjectionVAE(16, 4, 0.25, 0.05, steps, alpha, lam, exact)
    network._square = lambda X: 0 * X + 0.5  # type: ignore[method-assign]
    return network


@pytest.mark.parametrize("exact", [False, True])
def test_a_step_is_worked_out_by_hand(exact: bool) -> None:
    """x = .9, x₀ = .8, D = .5: ∇E = 2 · .4 + λ; x − α ∇E · .4² with α = .5, λ = .1 is .9 − .5 · .9 · .16 = .828."""
    x, X = torch.full((1, 3, 16, 16), 0.9), torch.full((1, 3, 16, 16), 0.8)
    with torch.inference_mode():
        found = grey(1, 0.5, 0.1, exact).step(x, X)
    torch.testing.assert_close(found, torch.full_like(x, 0.828))


def test_the_exact_gradient_goes_through_the_network() -> None:
    """D(x) = x / 2: E = ‖x/2‖², ∇E = x/2; the other form has ∇E = x. A step with α = 1 from .8: .8 − .4 · .16."""

    def halved(x: Tensor) -> Tensor:
        return x / 2

    x = torch.full((1, 3, 16, 16), 0.8)
    for exact, slope in ((True, 0.4), (False, 0.8)):
        network = ProjectionVAE(16, 4, 0.25, 0.05, 1, 1.0, 0.0, exact)
        network._square = halved  # type: ignore[method-assign]
        torch.testing.assert_close(network(x), torch.full_like(x, 0.8 - slope * 0.16))


def test_steps_restore_what_is_not_explained_and_leave_the_rest() -> None:
    X = torch.full((1, 3, 16, 16), 0.5)
    X[..., 4:8, 4:8] = 1.0
    output = grey(100, 0.5, 0.0, False)(X)
    assert torch.equal(output[..., 8:, :], X[..., 8:, :])
    assert float(output[..., 4:8, 4:8].max().detach()) < 0.65


def test_no_step_raises_the_energy_and_a_stronger_defect_has_a_higher_map() -> None:
    """At the YAML's rate a step would be 2 α e² of the error, twelve times it at e = .5: it ends at the reconstruction."""
    errors = torch.tensor([0.02, 0.1, 0.2, 0.3, 0.5])
    X = (0.5 + errors).expand(1, 3, 5, 5).contiguous()
    network, x = grey(20, 25, 0.0, False), X
    for _ in range(network.steps):
        after = network.step(x, X)
        assert bool(((after - 0.5).abs() <= (x - 0.5).abs()).all())
        x = after
    found = (network(X) - X).square()[0, 0, 0]
    assert bool((found.diff() > 0).all()) and float(found[-1]) == pytest.approx(0.25)


def test_lambda_holds_the_image() -> None:
    X = torch.full((1, 3, 16, 16), 0.7)
    free, held = (float(grey(50, 0.5, lam, False)(X).mean().detach()) for lam in (0.0, 0.2))
    assert 0.5 < free < held <= 0.7


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model.steps, alpha, lam are 0"):
        grey(0, 0.5, 0.1, False)
