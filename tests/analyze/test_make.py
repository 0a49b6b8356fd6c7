"""The squares that are analysed, and the check that the right function is differentiated."""

import pytest
import torch
from conftest import SQUARED, small_module

from anomaly_lab.analyze.make import middle, require_agreement, side_of


def test_the_middle_square_of_the_tiles_side() -> None:
    X = torch.arange(3 * 6 * 8.0).reshape(3, 6, 8)
    assert torch.equal(middle(X, 4), X[:, 1:5, 2:6])
    assert torch.equal(middle(X, 7), X[:, :, :7]) and torch.equal(middle(X, 0), X)


def test_the_side_is_that_of_the_tiles_else_of_the_training() -> None:
    assert side_of(small_module(scoring=SQUARED | {"tile": 48, "train_size": 64})) == 48
    assert side_of(small_module(scoring=SQUARED | {"tile": 0, "train_size": 64})) == 64
    assert side_of(small_module(scoring=SQUARED | {"tile": 0, "train_size": 0})) == 0


def test_another_function_than_f_is_not_differentiated() -> None:
    Y = torch.rand(1, 3, 4, 4)
    require_agreement(Y, Y + 1e-5)
    with pytest.raises(RuntimeError, match="differ by"):
        require_agreement(Y, Y + 1e-2)
    with pytest.raises(RuntimeError, match="differ by"):
        require_agreement(Y, Y * torch.nan)
