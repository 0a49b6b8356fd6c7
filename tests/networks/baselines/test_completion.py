"""Completion: each square of F(X) comes from its surroundings, and lands in its place."""

import pytest
import torch

from anomaly_lab.networks.baselines.completion import Completion


def small() -> Completion:
    torch.manual_seed(0)
    return Completion(8, 24, 4, 4)


@pytest.mark.parametrize("size", [(32, 40), (30, 21), (8, 8), (5, 9)])
def test_squares_land_in_their_places(size: tuple[int, int]) -> None:
    """With a network that knows the hole, F is the identity."""
    network, X = small(), torch.rand(2, 3, *size)
    network.predicted = lambda windows: network.inside(windows)[:, :3]  # type: ignore[method-assign]
    assert torch.equal(network(X), X)


def test_a_hole_is_predicted_without_its_content() -> None:
    network = small().eval()
    windows = torch.cat([torch.rand(1, 3, 24, 24), torch.ones(1, 1, 24, 24)], 1).requires_grad_()
    (slope,) = torch.autograd.grad(network.predicted(windows).sum(), windows)
    slope = slope[:, :3]
    assert float(slope[..., 8:16, 8:16].abs().max()) == 0
    assert float(slope[..., :8, :].abs().max()) > 0 and float(slope[..., 16:].abs().max()) > 0


def test_the_loss_is_the_squared_error_in_the_holes() -> None:
    """A prediction of 0.5, by hand: all windows are drawn. Where a hole reaches beyond the image, nothing counts."""
    network = Completion(8, 24, 4, 100)
    network.predicted = lambda windows: torch.full_like(network.inside(windows)[:, :3], 0.5)  # type: ignore[method-assign]
    for size in ((16, 32), (13, 21)):
        X = torch.rand(2, 3, *size)
        torch.testing.assert_close(network.loss(X, X, X[:, :1]), (X - 0.5).square().mean())


def test_no_square_of_an_image_depends_on_itself() -> None:
    """At the border too, where a mirrored window would show the hole."""
    network, X = small().eval(), torch.rand(1, 3, 24, 32, requires_grad=True)
    output = network(X)
    for top in range(0, 24, 8):
        for left in range(0, 32, 8):
            own = (..., slice(top, top + 8), slice(left, left + 8))
            (slope,) = torch.autograd.grad(output[own].sum(), X, retain_graph=True)
            assert float(slope[own].abs().max()) == 0 < float(slope.abs().max())


def test_it_learns_to_continue_stripes() -> None:
    torch.manual_seed(0)
    wave = torch.sin(torch.arange(32.0) * 2 * torch.pi / 8) * 0.3 + 0.5
    X = wave.expand(2, 3, 32, 32).contiguous()
    network = small()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(25):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * X.var()


@pytest.mark.parametrize(("hole", "window"), [(4, 24), (8, 8), (8, 32), (12, 28)])
def test_sides_that_do_not_fit_are_refused(hole: int, window: int) -> None:
    with pytest.raises(ValueError, match=r"model.hole and window"):
        Completion(hole, window, 4, 4)
