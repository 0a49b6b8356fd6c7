"""RIAD: its masks, what a pixel's reconstruction depends on, its loss and map."""

import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.networks import similarity
from anomaly_lab.networks.baselines.riad import RIAD, disjoint_masks


class Seen(nn.Module):
    """Logits whose sigmoid is 1 where the network sees something, else 0."""

    def forward(self, X: Tensor) -> Tensor:
        return 200 * (X > 0).float() - 100


@pytest.mark.parametrize(("size", "k"), [((32, 32), 4), ((30, 21), 8), ((5, 7), 1)])
def test_masks_are_disjoint_and_complete_and_made_of_squares(size: tuple[int, int], k: int) -> None:
    masks = disjoint_masks(size, k, 3)
    assert masks.shape == (3, 1, *size)
    assert torch.equal(masks.sum(0), torch.ones(1, *size))
    squares = [masks[:, 0, r : r + k, c : c + k] for r in range(0, size[0], k) for c in range(0, size[1], k)]
    assert all(torch.equal(s, s[:, :1, :1].expand_as(s)) for s in squares)
    counts = torch.stack([s[:, 0, 0] for s in squares]).sum(0)
    assert counts.max() - counts.min() <= 1


def test_no_pixel_is_reconstructed_from_itself() -> None:
    """A network that copies what it sees gives black everywhere: each pixel is taken where it was hidden."""
    network = RIAD(4, [4], 3, 1, 1)
    network.network = Seen()  # type: ignore[assignment]
    X = torch.rand(2, 3, 32, 32) + 0.1
    assert float(network.inpainted(X, 4).max()) < 1e-6


def test_a_square_does_not_depend_on_any_pixel_of_its_set() -> None:
    torch.manual_seed(0)
    network = RIAD(4, [8], 2, 1, 1).eval()
    X = torch.rand(1, 3, 16, 16, requires_grad=True)
    masks = disjoint_masks((16, 16), 8, 2, torch.Generator().manual_seed(3))
    output = network.inpainted(X, 8, torch.Generator().manual_seed(3))
    (slope,) = torch.autograd.grad((masks[0] * output).sum(), X)
    assert float((masks[0] * slope).abs().max()) == 0 and float(slope.abs().max()) > 0


def test_loss_and_map_are_the_papers() -> None:
    torch.manual_seed(0)
    network, X = RIAD(4, [4], 3, 0.5, 0.25).eval(), torch.rand(2, 3, 32, 32)
    torch.manual_seed(7)
    found = network.loss(X, X, X[:, :1])
    torch.manual_seed(7)
    torch.randint(1, ())
    output = network.inpainted(X, 4)
    parts = (output - X).square().mean(), similarity.msgms(X, output).mean(), 1 - similarity.ssim(X, output).mean()
    torch.testing.assert_close(found, parts[0] + 0.5 * parts[1] + 0.25 * parts[2])
    whole, examined = network.examine(X)
    torch.testing.assert_close(examined, similarity.msgms(X, whole))  # one k: the mean is the map itself
    torch.testing.assert_close(whole, network(X))
    assert torch.equal(network.examine(X)[1], examined), "the same each time"


def test_it_learns_to_fill_a_texture() -> None:
    torch.manual_seed(0)
    wave = torch.sin(torch.arange(32.0) * 2 * torch.pi / 8) * 0.3 + 0.5
    X = wave.expand(2, 3, 32, 32).contiguous()
    network = RIAD(4, [2, 4], 3, 1, 1)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(25):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((network(X) - X).detach().square().mean()) < 0.6 * X.var()


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model.squares and sets are \[4\] and 1"):
        RIAD(4, [4], 1, 1, 1)
