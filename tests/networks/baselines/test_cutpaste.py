"""CutPaste's network: what it is trained to tell, and that an image's embeddings are those of its patches."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.networks.baselines import cutpaste
from anomaly_lab.networks.baselines.cutpaste import CutPaste


def test_an_embedding_is_that_of_the_patch_alone() -> None:
    """Where the encoder's own padding does not reach: the middle of a patch's features. So the means are compared with an
    encoder that sees each 8 × 8 pixels alone."""
    network = CutPaste(2, 1).eval()
    network.encoder = nn.Conv2d(3, 16, 8, 8)  # type: ignore[assignment]
    X = torch.rand(1, 3, 128, 128)
    found = network(X)
    for row, column in ((4, 4), (5, 9), (11, 11)):  # the cell in whose middle four patches meet
        corners = [(r, c) for r in (row - 4, row - 3) for c in (column - 4, column - 3)]
        patches = [X[..., 8 * r : 8 * (r + 8), 8 * c : 8 * (c + 8)] for r, c in corners]
        means = [network.encoder(patch).mean((2, 3))[0] for patch in patches]
        torch.testing.assert_close(found[0, :, row, column], torch.stack(means).mean(0))


def test_an_embedding_stands_in_the_middle_of_what_it_sees() -> None:
    vectors = torch.zeros(1, 16, 33, 33)
    vectors[..., 16, 16] = 1
    found = CutPaste(2, 1).features(vectors)[0, 0]
    assert torch.equal(found, found.flip(0)) and torch.equal(found, found.flip(1)) and float(found[16, 16]) > 0


def test_the_loss_is_the_cross_entropy_of_three_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With corruptions that paint a level, and a head that knows levels, the loss is that of certain answers; by hand, log 3
    for a head that knows nothing."""
    network = CutPaste(1, 2)
    nn.init.zeros_(network.head[-1].weight)
    nn.init.zeros_(network.head[-1].bias)
    X = torch.full((2, 3, 64, 64), 0.1)
    assert float(network.loss(X, X, X[:, :1]).detach()) == pytest.approx(np.log(3))
    for name, level in (("cut_paste", 0.5), ("scar", 0.9)):
        monkeypatch.setattr(cutpaste, name, lambda patch, rng, level=level: np.full_like(patch, level))

    class Levels(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return -1000 * (x.mean((1, 2, 3), keepdim=True) - torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)).square()

    network.encoder, network.head = Levels(), nn.Identity()  # type: ignore[assignment]
    assert float(network.loss(X, X, X[:, :1])) < 1e-6


def test_it_learns_to_tell_patches() -> None:
    torch.manual_seed(0)
    wave = torch.sin(torch.arange(64.0) * 2 * torch.pi / 8) * 0.3 + 0.5
    X = wave.expand(2, 3, 64, 64).contiguous()
    network = CutPaste(4, 3)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(15):
        loss = network.loss(X, X, X[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.9 * np.log(3)


@pytest.mark.parametrize("size", [(32, 40), (64, 64), (70, 33)])
def test_any_size_has_a_vector_for_each_8_pixels(size: tuple[int, int]) -> None:
    assert CutPaste(2, 1).eval()(torch.rand(1, 3, *size)).shape == (1, 16, -(-size[0] // 8), -(-size[1] // 8))
