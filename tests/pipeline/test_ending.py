"""The end of a run: its files, metrics.json as the last one, and the same results for a training and its evaluation."""

import shutil
from pathlib import Path

import pytest
from conftest import Finished, metrics_of, scores_of
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.pipeline import ending
from anomaly_lab.runs.trained import load

TRAINING = {"steps": 10, "train_seconds": 1.0, "device": "cpu", "proxy_ap": None, "n_train": 5, "train_size": 64, "init": None}


def ended(run: Path, directory: Path) -> None:
    trained = load(run)
    config = trained.config
    assert isinstance(config, DictConfig)
    ending.end(config, directory, trained.module, trained.data(), trained.levels, 2, TRAINING)


def test_an_evaluation_writes_what_the_training_wrote(finished: Finished, tmp_path: Path) -> None:
    ended(finished.directory, tmp_path)
    assert scores_of(tmp_path) == scores_of(finished.directory)
    again, once = metrics_of(tmp_path), metrics_of(finished.directory)
    assert {k: v for k, v in again.items() if k not in TRAINING} == {k: v for k, v in once.items() if k not in TRAINING}
    for name in ("levels.csv", "metrics_by_defect.csv"):
        assert (tmp_path / name).read_text() == (finished.directory / name).read_text()
    for path in (finished.directory / "heatmaps").rglob("*.npy"):
        assert path.read_bytes() == (tmp_path / path.relative_to(finished.directory)).read_bytes()
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"detections.png", "extremes.png"}


def test_metrics_json_is_written_last(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(ending.show_loggers, "conclude", broken)
    with pytest.raises(OSError, match="no space"):
        ended(finished.directory, tmp_path)
    assert (tmp_path / "scores.csv").is_file() and not (tmp_path / "metrics.json").exists()


def test_more_metrics_are_computed(finished: Finished, tmp_path: Path) -> None:
    run = shutil.copytree(finished.directory, tmp_path / "run")
    config = OmegaConf.load(run / "config.yaml")
    config.metrics = {"aupimo": {"_target_": "anomaly_lab.metrics.aupimo.Aupimo"}}
    OmegaConf.save(config, run / "config.yaml")
    ended(run, tmp_path / "out")
    metrics = metrics_of(tmp_path / "out")
    assert metrics["image_f1"] <= metrics["image_f1_max"] <= 1
