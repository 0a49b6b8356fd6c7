"""A network's own map: whole or in tiles, with and without a reconstruction, with gradients."""

import pytest
import torch
from conftest import small_module
from torch import Tensor, nn

from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.networks.gradients import gradients
from anomaly_lab.scoring.forward import Forward
from anomaly_lab.scoring.heatmap import smooth
from anomaly_lab.scoring.own_map import OwnMap


class Shifted(nn.Module):
    """F(X) = X + .1; the map is twice the first channel."""

    evidence = "double"

    def __init__(self, reconstructs: bool = True) -> None:
        super().__init__()
        self.reconstructs, self.weight = reconstructs, nn.Parameter(torch.ones(1))

    def examine(self, X: Tensor) -> tuple[Tensor | None, Tensor]:
        return (X + 0.1 if self.reconstructs else None), 2 * X[:, 0]

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        return (self.weight * X - X_hat).square().sum() + M.sum()

    def forward(self, X: Tensor) -> Tensor:
        return X + 0.1


@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("reconstructs", [True, False])
def test_the_heatmap_is_the_smoothed_map(tile: int, reconstructs: bool) -> None:
    X = torch.rand(2, 3, 40, 24)
    found = OwnMap("double", 2.0)(Forward(Shifted(reconstructs), ForInference(), tile, "32-true"), X)
    torch.testing.assert_close(found.heatmap, smooth(2 * X[:, 0], 2.0))
    if reconstructs:
        assert found.output is not None
        torch.testing.assert_close(found.output, X + 0.1)
    else:
        assert found.output is None


def test_a_network_may_use_gradients_in_testing() -> None:
    class Sensitive(Shifted):
        def examine(self, X: Tensor) -> tuple[Tensor, Tensor]:
            with gradients(X) as leaf:
                (slope,) = torch.autograd.grad(leaf.pow(3).sum(), leaf)
            return X, slope[:, 0]

    X = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        found = OwnMap("double", 0)(Forward(Sensitive(), ForInference(), 16, "bf16-mixed"), X)
    torch.testing.assert_close(found.heatmap, 3 * X[:, 0].square())


def test_it_learns_nothing() -> None:
    class Normal:
        held_out = ("a", "b")

    scorer = OwnMap("double", 1)
    assert scorer.learn(None, Normal()) == [scorer, scorer]  # type: ignore[arg-type]
    assert scorer.learn(None, Normal(), brief=True) == []  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weights"):
        OwnMap("double", 1, [1.0])  # type: ignore[arg-type]


OWN = {"name": "own"}
SCORING = {
    "scorer": {"_target_": "anomaly_lab.scoring.own_map.OwnMap", "name": "own"},
    "pooling": {"_target_": "anomaly_lab.scoring.poolings.maximum", "name": "max"},
    "sigma": 1,
    "tile": 0,
}
RIAD = {
    "width": 2,
    "squares": [4],
    "sets": 3,
    "lam_gms": 1,
    "lam_ssim": 1,
    "_target_": "anomaly_lab.networks.baselines.riad.RIAD",
}


def test_a_network_with_a_loss_and_its_own_map_makes_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = small_module(network=RIAD, objective=OWN, scoring=SCORING | {"evidence": "inpainting"})
    monkeypatch.setattr(module, "log", lambda *values: None)
    batch = {"X": torch.rand(1, 3, 16, 16), "X_hat": torch.rand(1, 3, 16, 16), "M": torch.ones(1, 1, 16, 16)}
    monkeypatch.setattr(module, "network", Shifted())
    expected = (batch["X"] - batch["X_hat"]).square().sum() + 256
    torch.testing.assert_close(module.training_step(batch, 0), expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": RIAD, "objective": {"name": "l2", "_target_": "anomaly_lab.objectives.l2"}}, "a loss of its own"),
        ({"objective": OWN}, "the model has no loss of its own"),
        ({"network": RIAD, "objective": OWN, "scoring": SCORING | {"evidence": "attention"}}, "own map is inpainting"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small_module(**changes)
