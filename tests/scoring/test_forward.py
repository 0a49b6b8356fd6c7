"""F in testing: no gradients, tiles, the run's precision; the caller's settings stay as they are."""

import pytest
import torch
from conftest import small_module
from torch import Tensor, nn

from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.scoring.forward import Forward, folds


class Halved(nn.Module):
    """Halves its input, and records shape, gradient mode and autocast of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.tensor(0.5)), []  # type: ignore[var-annotated]

    def forward(self, X: Tensor) -> Tensor:
        self.seen.append((X.shape, torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
        return self.weight * X


def test_folds_judge_each_image_once_by_all_of_the_other_parts() -> None:
    assert list(folds([7, 3, 5])) == [([7], [3, 5]), ([3], [7, 5]), ([5], [7, 3])]
    assert list(folds(range(6))) == [
        ([0, 4], [1, 2, 3, 5]),
        ([1, 5], [0, 2, 3, 4]),
        ([2], [0, 1, 3, 4, 5]),
        ([3], [0, 1, 2, 4, 5]),
    ]


@pytest.mark.parametrize(("precision", "autocast"), [("32-true", False), ("bf16-mixed", True)])
def test_f_runs_in_tiles_without_gradients_in_its_precision(precision: str, autocast: bool) -> None:
    network, X = Halved().eval(), torch.rand(1, 3, 40, 64)
    output = Forward(network, ForInference(), 32, precision)(X)
    torch.testing.assert_close(output, X / 2)
    assert output.dtype == torch.float32 and not output.requires_grad
    assert all(shape[2:] == (32, 32) and not grad and cast == autocast for shape, grad, cast in network.seen)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def test_a_whole_image_is_one_call() -> None:
    network = Halved().eval()
    Forward(network, ForInference(), 0, "32-true")(torch.rand(1, 3, 40, 64))
    assert [shape for shape, *_ in network.seen] == [(1, 3, 40, 64)]


def test_a_module_s_f_is_its_network_folded() -> None:
    torch.manual_seed(0)
    module, X = small_module().eval(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(module.F(X), module(X), rtol=1e-4, atol=1e-5)


def test_the_differentiable_form_computes_the_same_with_gradients() -> None:
    F, X = Forward(Halved().eval(), ForInference(), 32, "32-true"), torch.rand(1, 3, 40, 64)
    _, Jv = torch.func.jvp(F.differentiable, (X,), (X,))
    torch.testing.assert_close(F.differentiable(X), F(X))
    torch.testing.assert_close(Jv, X / 2)


def test_a_network_that_reconstructs_nothing_decodes_nothing() -> None:
    network = nn.Module()
    network.reconstructs = False  # type: ignore[assignment]
    assert Forward(network, ForInference(), 0, "32-true").decode(torch.rand(1, 4, 2, 2), torch.Size((1, 3, 16, 16))) is None
