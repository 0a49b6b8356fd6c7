"""The LightningModule: its logged values, its optimiser, and the content of its checkpoint."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import scoring, small_data, small_module, small_trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from anomaly_lab.objectives import amplify, restore, uncorrelated


class Identity(nn.Module):
    def forward(self, X: Tensor) -> Tensor:
        return X


class MeanColour(nn.Module):
    """F(X) is the mean colour of X."""

    def forward(self, X: Tensor) -> Tensor:
        return X.mean((-2, -1), keepdim=True).expand_as(X)


def pairs(count: int = 3) -> list[dict[str, Tensor]]:
    """Random images with a black square in their corrupted copies."""
    made = []
    for i in range(count):
        X = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i)) * 0.5 + 0.25
        M = torch.zeros(1, 32, 32)
        M[:, 4 + i : 12 + i, 6:15] = 1
        made.append({"X": X, "X_hat": X * (1 - M), "M": M})
    return made


def validated(network: nn.Module, tmp_path: Path) -> dict[str, float]:
    module = small_module(scoring=scoring("squared", 0))
    module.network = network
    loader: Any = DataLoader(pairs())  # type: ignore[arg-type]
    (values,) = small_trainer(tmp_path).validate(module, loader, verbose=False)
    return dict(values)


def test_relative_error_is_one_for_the_mean_colour_and_zero_for_the_identity(tmp_path: Path) -> None:
    assert validated(MeanColour(), tmp_path)["val/relative_error"] == pytest.approx(1, abs=1e-5)
    assert validated(Identity(), tmp_path)["val/relative_error"] == 0


def test_restoration_error_is_the_mean_squared_error_over_the_corrupted_pixels(tmp_path: Path) -> None:
    """The identity restores nothing, so the error is the corruption itself, here X² in M."""
    expected = torch.stack([pair["X"].square()[pair["M"].expand(3, -1, -1) > 0].mean() for pair in pairs()]).mean()
    assert validated(Identity(), tmp_path)["val/restoration_error"] == pytest.approx(float(expected), rel=1e-5)


def test_the_proxy_is_the_pixel_ap_of_the_corruptions(tmp_path: Path) -> None:
    class Knowing(nn.Module):
        """Changes black pixels only, so it finds exactly the corruption."""

        def forward(self, X: Tensor) -> Tensor:
            return torch.where(X == 0, 1.0, X)

    assert validated(Knowing(), tmp_path)["val/proxy_ap"] == pytest.approx(1)
    assert validated(Identity(), tmp_path)["val/proxy_ap"] == pytest.approx(72 / 1024), "as good as chance"


def test_each_validation_resets_the_proxy(tmp_path: Path) -> None:
    module = small_module()
    trainer = small_trainer(tmp_path)
    loader: Any = DataLoader(pairs())  # type: ignore[arg-type]
    first, second = (trainer.validate(module, loader, verbose=False) for _ in range(2))
    assert first == second


def test_training_lowers_the_loss_on_a_trivial_task(tmp_path: Path) -> None:
    """Images of one flat colour, which the bias of the last layer could reconstruct alone."""
    X = torch.tensor([0.9, 0.2, 0.6]).view(3, 1, 1).expand(3, 32, 32)
    batch = {"X": X, "X_hat": X, "M": torch.zeros(1, 32, 32)}
    torch.manual_seed(0)
    module = small_module(optimizer={"lr": 0.1, "weight_decay": 0.0, "warmup": 0.0})
    trainer = small_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    with torch.no_grad():
        before = float((module.train()(X[None]) - X).square().mean())
    trainer.fit(module, DataLoader([batch] * 80, batch_size=2), DataLoader([batch]))  # type: ignore[arg-type]
    with torch.no_grad():
        after = float((module.train()(X[None]) - X).square().mean())
    assert after < 0.1 * before
    assert float(trainer.callback_metrics["train/loss"]) < 0.1 * before


def test_the_learning_rate_follows_the_schedule_to_zero(tmp_path: Path) -> None:
    module = small_module(optimizer={"lr": 0.02, "weight_decay": 0.0, "warmup": 0.5})
    rates = []

    class Watch(nn.Module):
        def forward(self, X: Tensor) -> Tensor:
            rates.append(module.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
            return X * self.weight

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

    module.network = Watch()  # type: ignore[assignment]
    loader: Any = DataLoader(pairs(4))  # type: ignore[arg-type]
    trainer = small_trainer(tmp_path, max_epochs=2, limit_val_batches=0)
    trainer.fit(module, loader, loader)
    assert rates == pytest.approx([0.02 * f for f in (0.01, 0.25, 0.5, 0.75, 1, 0.853553, 0.5, 0.146447)], rel=1e-4)


def test_lambda_falls_over_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step counts the normal region alone; the last counts λ as it is given."""
    objective = {"_target_": "anomaly_lab.objectives.amplify", "lam": 0.5, "norm": "squared", "fall": [0.3, 0.6]}
    module = small_module(objective=objective).eval()  # batch statistics would change the output
    for log in ("log", "log_dict"):  # there is no Trainer
        monkeypatch.setattr(module, log, lambda *values: None)
    batch = {name: torch.stack([pair[name] for pair in pairs()]) for name in ("X", "X_hat", "M")}
    losses = []
    for done in (0.0, 0.45, 1.0):
        monkeypatch.setattr(type(module), "progress", done)
        losses.append(module.training_step(batch, 0).item())
    output = module(batch["X_hat"])
    expected = [amplify(output, batch["X"], batch["X_hat"], batch["M"], lam, "squared").item() for lam in (1, 0.75, 0.5)]
    assert losses == pytest.approx(expected)


def test_a_reconstruction_that_is_unlike_its_image_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = {"_target_": "anomaly_lab.objectives.restore", "lam": 0.9, "norm": "squared"}
    batch = {name: torch.stack([pair[name] for pair in pairs()]) for name in ("X", "X_hat", "M")}
    assert small_module(objective=objective).correlation is None
    module, losses = small_module(objective=objective | {"correlation": 0.5}).eval(), []
    for log in ("log", "log_dict"):  # there is no Trainer
        monkeypatch.setattr(module, log, lambda *values: None)
    for least in (None, module.correlation, 1.0):
        module.correlation = least
        losses.append(module.training_step(batch, 0).item())
    output = module(batch["X_hat"])
    plain = restore(output, batch["X"], batch["X_hat"], batch["M"], 0.9, "squared").item()
    assert losses == pytest.approx([plain, *(plain + uncorrelated(output, batch["X"], rho).item() for rho in (0.5, 1.0))])
    assert losses[0] < losses[2]


def test_weight_decay_spares_normalisation_and_biases() -> None:
    module = small_module(optimizer={"lr": 1e-3, "weight_decay": 0.25, "warmup": 0.1})
    optimizer = module.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decay) == len(list(module.parameters())), "every parameter is in one group"
    for layer in module.network.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            is_weight = isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and name == "weight"
            assert decay[id(parameter)] == (0.25 if is_weight else 0.0), f"{layer}.{name}"


def test_hyper_parameters_are_primitive() -> None:
    """Other types could not be loaded with weights_only=True, or would let a checkpoint run code."""

    def primitive(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(k, str) and primitive(v) for k, v in value.items()) and type(value) is dict
        if isinstance(value, list):
            return all(map(primitive, value))
        return value is None or type(value) in (int, float, str, bool)

    hparams = dict(small_module().hparams)
    assert set(hparams) >= {"network", "objective", "optimizer", "scoring", "preprocessing", "mean_color", "min_area"}
    assert {name for name, value in hparams.items() if not primitive(value)} == set()


def test_a_new_module_has_no_threshold_and_stores_a_set_one(data_root: Path, tmp_path: Path) -> None:
    module = small_module()
    assert module.threshold.isnan()
    assert "threshold" in module.state_dict()
    value = torch.tensor(0.1).item()  # heatmaps are float32
    module.threshold.fill_(value)
    assert float(module.state_dict()["threshold"]) == value


def test_a_fit_logs_the_values_for_early_stopping_and_for_the_screen(data_root: Path, tmp_path: Path) -> None:
    data = small_data(data_root)
    data.prepare_data()
    data.setup()
    trainer = small_trainer(tmp_path, max_epochs=1)
    trainer.fit(small_module(), datamodule=data)
    names = {"train/loss", "val/proxy_ap", "val/proxy_auroc", "val/relative_error", "val/restoration_error"}
    assert names <= set(trainer.callback_metrics)
    assert all(torch.isfinite(trainer.callback_metrics[name]) for name in names)
