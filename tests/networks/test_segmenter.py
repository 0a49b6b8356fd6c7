"""The segmenter: shapes, size, and that it learns."""

import pytest
import torch
from torch.nn import functional

from anomaly_lab.networks.segmenter import Segmenter


@pytest.mark.parametrize("size", [(16, 16), (33, 50), (128, 64), (7, 100)])
def test_any_size_gives_a_logit_for_each_pixel(size: tuple[int, int]) -> None:
    assert Segmenter(4).eval()(torch.rand(2, 3, *size)).shape == (2, *size)


def test_the_usual_width_has_as_many_weights_as_told() -> None:
    assert sum(p.numel() for p in Segmenter(16).parameters()) == pytest.approx(0.29e6, rel=0.02)


def test_it_learns_to_mark_bright_squares() -> None:
    torch.manual_seed(0)
    network = Segmenter(4)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    X, M = 0.2 * torch.rand(8, 3, 32, 32), torch.zeros(8, 32, 32)
    for i in range(8):
        X[i, :, 2 * i : 2 * i + 10, 3 : 3 + i + 8] += 0.3
        M[i, 2 * i : 2 * i + 10, 3 : 3 + i + 8] = 1
    for _ in range(80):
        loss = functional.binary_cross_entropy_with_logits(network(X), M)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2


def test_a_change_of_scale_and_offset_of_all_images_does_not_matter() -> None:
    torch.manual_seed(0)
    network, X = Segmenter(4).train(), torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(network(X), network(3 * X - 1), rtol=1e-3, atol=1e-3)
