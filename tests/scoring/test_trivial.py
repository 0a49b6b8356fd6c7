"""Flat grey, computed by hand."""

import torch

from anomaly_lab.scoring.trivial import flat_grey

X = torch.tensor([0.5, 0.7]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
GREY = torch.tensor([0.5, 0.4, 0.3])


def test_flat_grey_by_hand() -> None:
    """The channels of the first pixel have the distances 0, .1, .2; those of the second .2, .3, .4."""
    torch.testing.assert_close(flat_grey(X, GREY, 0)[0, 0], torch.tensor([0.05 / 3, 0.29 / 3]))


def test_flat_grey_is_smoothed() -> None:
    assert flat_grey(X, GREY, 3.0)[0, 0].diff() < flat_grey(X, GREY, 0)[0, 0].diff() / 2
