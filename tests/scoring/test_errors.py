"""The paper's plain error maps, computed by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anomaly_lab.scoring.errors import absolute, squared


def test_error_maps_by_hand() -> None:
    """One image of 1 × 2 pixels and three channels."""
    X = torch.tensor([[[[0.0, 0.5]], [[0.2, 0.5]], [[1.0, 0.5]]]])
    output = torch.tensor([[[[0.3, 0.5]], [[0.2, 0.5]], [[0.4, 0.8]]]])
    assert torch.allclose(squared(X, output), torch.tensor([[[(0.09 + 0 + 0.36) / 3, 0.09 / 3]]]))
    assert torch.allclose(absolute(X, output), torch.tensor([[[(0.3 + 0 + 0.6) / 3, 0.3 / 3]]]))


@pytest.mark.parametrize("error", [squared, absolute])
def test_an_error_map_is_symmetric_and_keeps_images_apart(error: Callable[[Tensor, Tensor], Tensor]) -> None:
    X, output = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    both = error(X, output)
    assert both.shape == (2, 4, 5)
    assert torch.equal(both, error(output, X))
    assert torch.equal(both[1], error(X[1:], output[1:])[0])
