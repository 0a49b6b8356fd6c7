"""The inpainting transformer: attention against torch's own, what a patch depends on, where it lands."""

import pytest
import torch
from torch import nn

from anomaly_lab.networks import similarity
from anomaly_lab.networks.baselines.intra import Block, InTra


def small(drawn: int = 4) -> InTra:
    torch.manual_seed(0)
    return InTra(8, 3, 16, 2, 2, drawn, 0.1, 0.2)


def test_a_block_is_torchs_transformer_layer() -> None:
    """The same weights in torch's own layer give the same result."""
    torch.manual_seed(0)
    mine, theirs = Block(8, 2), nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True)
    attention = theirs.self_attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(mine.qkv.weight)
        attention.in_proj_bias.copy_(mine.qkv.bias)
    attention.out_proj, theirs.norm1, theirs.norm2 = mine.mixed, mine.norms[0], mine.norms[1]  # type: ignore[assignment]
    theirs.linear1, theirs.linear2 = mine.perceptron[0], mine.perceptron[2]  # type: ignore[assignment]
    x = torch.rand(3, 5, 8)
    torch.testing.assert_close(mine(x), theirs(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 40), (30, 21), (8, 24), (5, 9)])
def test_patches_land_in_their_places(size: tuple[int, int]) -> None:
    network, X = small(), torch.rand(2, 3, *size)
    network.inpainted = lambda patches, p: patches[p[:, 0], p[:, 1], p[:, 2]]  # type: ignore[method-assign]
    assert torch.equal(network(X), X)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 3), (4, 4)])
def test_a_patch_depends_on_its_window_and_not_on_itself(row: int, column: int) -> None:
    network, X = small(), torch.rand(1, 3, 40, 40, requires_grad=True)
    output = network(X)[..., 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
    (slope,) = torch.autograd.grad(output.sum(), X)
    touched = slope.abs().sum(1)[0].unfold(0, 8, 8).unfold(1, 8, 8).sum((2, 3)) > 0
    expected = torch.zeros(5, 5, dtype=torch.bool)
    top, left = min(max(row - 1, 0), 2), min(max(column - 1, 0), 2)
    expected[top : top + 3, left : left + 3] = True
    expected[row, column] = False
    assert torch.equal(touched, expected)


def test_the_loss_is_that_of_the_drawn_patches() -> None:
    """On an image of equal patches with an output that does not depend on the place, by hand."""
    network = small(5)
    patch, answer = torch.rand(3, 8, 8), torch.rand(3, 8, 8)
    network.inpainted = lambda patches, p: answer.expand(len(p), 3, 8, 8)  # type: ignore[method-assign]
    X = patch.repeat(1, 3, 4)[None].expand(2, -1, -1, -1)
    a, b = answer[None], patch[None]
    expected = (a - b).square().mean() + 0.1 * (1 - similarity.gms(a, b).mean()) + 0.2 * (1 - similarity.ssim(a, b).mean())
    torch.testing.assert_close(network.loss(X, X, X[:, :1]), expected)


def test_it_learns_to_continue_a_texture() -> None:
    wave = torch.sin(torch.arange(32.0) * 2 * torch.pi / 8) * 0.3 + 0.5
    X = wave.expand(1, 3, 32, 32).contiguous()
    network = small(8)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((network(X) - X).detach().square().mean()) < 0.4 * X.var()


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="width 10 must be a multiple of heads 4"):
        InTra(8, 3, 10, 1, 4, 1, 0, 0)
