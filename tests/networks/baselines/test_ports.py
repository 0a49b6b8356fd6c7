"""Every port by its YAML: it trains, is scored, and comes back from a checkpoint that is plain data."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import (
    in_process,
    metrics_of,
    scores_of,
    sentence,
    small_data,
    small_module,
    small_trainer,
    stripes,
    train_in_process,
    write_category,
)
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from anomaly_lab.calibration.calibrate import calibrate
from anomaly_lab.data import datamodule
from anomaly_lab.module import NOT_LOSS, AnomalyModule
from anomaly_lab.runs.choices import resolved
from anomaly_lab.runs.command_line import CONF
from anomaly_lab.scored import look

# smaller than the YAML's, so that a step takes milliseconds
SMALL: dict[str, dict[str, Any]] = {
    "ae_l2": {"side": 32, "latent": 4, "width": 0.25},
    "ae_ssim": {"side": 32, "latent": 4, "width": 0.25},
    "vae": {"side": 32, "latent": 4, "width": 0.25},
    "cavga": {"side": 32, "latent": 4, "width": 0.25},
    "vae_projection": {"side": 32, "latent": 4, "width": 0.25, "steps": 3},
    "completion": {"hole": 8, "window": 24, "width": 2},
    "riad": {"width": 2, "squares": [4, 8]},
    "cutpaste": {"width": 2},
    "nsa": {"width": 2},
    "fair": {"width": 2},
    "cnnfd": {"encoder": "random"},
    "texture_inspection": {},
    "intra": {"patch": 8, "window": 3, "width": 8, "depth": 1, "heads": 2},
    "anogan": {"side": 32, "latent": 4, "width": 2, "steps": 3},
    "filtering": {"width": 0.0625},
    "later": {"width": 0.0625},
    "segment": {"width": 0.0625},
}
UNTRAINED = {"cnnfd", "texture_inspection"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category of small stripes."""
    folder = tmp_path_factory.mktemp("ports")
    write_category(folder / "stripes", train=4, sizes=((32, 40),))
    return folder


def module_of(name: str) -> AnomalyModule:
    """The module of a model's YAML, small."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["+category=carpet", f"model={name}"])
    plain: Any = OmegaConf.to_container(config, resolve=True)
    scoring = plain["scoring"] | {"train_size": 32, "sigma": 1}
    if scoring["evidence"] == plain["scoring"]["evidence"] and isinstance(scoring["evidence"], list):
        scoring["evidence"] = [each for each in scoring["evidence"] if each != "head"]
    scoring = {key: resolved(key, value, scoring) for key, value in scoring.items()}
    if "detector" in scoring:
        scoring["detector"]["size"] = 200
    objective = {key: value for key, value in plain["objective"].items() if key not in NOT_LOSS}
    torch.manual_seed(0)
    module = small_module(network=plain["model"] | SMALL[name], objective=objective, scoring=scoring)
    if hasattr(module.network, "begin"):
        module.network.begin([])
    return module


def test_every_port_is_here() -> None:
    documented = set((Path(__file__).parents[3] / "docs/baselines.md").read_text(encoding="utf-8").split("`"))
    assert {f"model={name}" for name in SMALL} <= documented, "docs/baselines.md names each"
    ours = {p.stem for p in (CONF / "model").glob("*.yaml")}
    assert set(SMALL) == ours - {"base", "sdc", "sdc_half", "sdc_quarter", "tiny", "knn", "patch_ae", "patch_ae_held", "fused"}


@pytest.mark.parametrize("name", SMALL)
def test_a_port_trains_is_calibrated_scored_and_comes_back(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datamodule, "VALIDATION_PAIRS", 1)
    data = small_data(root, image_size=40, train_size=32)
    data.setup()
    module = module_of(name)
    assert module.trainable == (name not in UNTRAINED)
    if module.trainable:
        before = {n: p.detach().clone() for n, p in module.network.named_parameters()}
        trainer = small_trainer(tmp_path, max_epochs=1)
        trainer.fit(module, datamodule=data)
        assert torch.isfinite(trainer.callback_metrics["train/loss"])
        changed = [n for n, p in module.network.named_parameters() if not torch.equal(p, before[n])]
        assert len(changed) > 0.9 * len(before), "every layer is trained"
    rows = calibrate(module, data.images)
    assert rows and torch.isfinite(module.threshold)
    X = data.images.validation.whole(0)
    found = look(module, X, (32, 40))
    assert found.heatmap.shape == (32, 40) and found.heatmap.min() >= 0 and found.heatmap.std() > 0
    assert (found.output is not None) == module.reconstructs
    torch.save({"state": module.state_dict(), "hparams": dict(module.hparams)}, tmp_path / "model.ckpt")
    stored = torch.load(tmp_path / "model.ckpt", weights_only=True)
    again = AnomalyModule(**stored["hparams"])
    again.load_state_dict(stored["state"])
    once_more = look(again.eval(), X, (32, 40))
    assert (once_more.heatmap == found.heatmap).all() and once_more.score == found.score


def test_a_network_that_only_marks_pixels_is_trained_scored_again_and_reported(tmp_path: Path, blank_pictures: None) -> None:
    """NSA by the commands: its own loss and map, and no reconstruction to draw; the map has no other evidence beside it."""
    from anomaly_lab import evaluate
    from anomaly_lab.report.__main__ import main

    write_category(tmp_path / "data/stripes", train=4)
    small = [*stripes(tmp_path / "data"), "model=nsa", "model.width=2"]
    run = train_in_process(tmp_path, *small).directory
    metrics = metrics_of(run)
    expected = {"objective": "own", "scorer": "own", "evidence": "probability", "relative_error": None, "steps": 10}
    assert {name: metrics[name] for name in expected} == expected
    again = in_process(tmp_path, evaluate.main, "evaluate", f"run={run}").directory
    assert scores_of(again) == scores_of(run)
    refused = in_process(tmp_path, evaluate.main, "evaluate", f"run={run}", "scoring.evidence=squared")
    assert "model=nsa is scored by a map of its own" in sentence(refused)
    assert in_process(tmp_path, main, "report", "runs=runs").status == 0
