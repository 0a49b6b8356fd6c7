"""Images in other light, computed by hand."""

import pytest
import torch

from anomaly_lab.scoring.light import COPIES, in_other_light, lit_differently


def test_other_light_by_hand() -> None:
    assert in_other_light(torch.tensor([0.1, 0.4, 0.5, 0.9]), 2.0, 0.05).tolist() == pytest.approx([0, 0.4, 0.6, 1])


def test_copies_follow_from_the_generator_and_differ() -> None:
    X = 0.3 + 0.4 * torch.rand(3, 16, 16)
    first, second = (lit_differently(X, torch.Generator().manual_seed(0)) for _ in range(2))
    assert len(first) == COPIES and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])
    flat = lit_differently(torch.full((3, 4, 4), 0.5), torch.Generator())
    assert all(len(copy.unique()) == 1 for copy in flat), "a flat image stays flat"
