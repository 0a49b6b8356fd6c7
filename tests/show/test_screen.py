"""What a run prints. Its whole output: tests/test_train.py."""

from pathlib import Path

import pytest
from conftest import Finished, metrics_of
from omegaconf import OmegaConf

from anomaly_lab.show.screen import heading, print_metrics


def test_a_heading_names_data_category_and_objective_or_the_model() -> None:
    config = OmegaConf.create({"data": {"name": "mvtec"}, "category": {"name": "grid"}, "model": {"name": "knn"}})
    assert heading(OmegaConf.merge(config, {"objective": {"name": "restore"}})) == "mvtec grid, restore"  # type: ignore[arg-type]
    assert heading(OmegaConf.merge(config, {"objective": {"name": "none"}})) == "mvtec grid, knn"  # type: ignore[arg-type]


def test_metrics_are_printed_beside_trivial_references_with_rule_and_places(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = metrics_of(finished.directory)
    print_metrics(metrics | {"aupro": None, "calibration": "conformal", "calibration_alpha": 0.25}, Path("/here"))
    out = capsys.readouterr().out
    assert f"{metrics['trivial_pixel_auroc']:.3f}" in out and "trivial" in out
    assert "conformal alpha=0.25" in " ".join(out.split())
    assert "–" in out, "a metric that can't be computed"
    assert "/here/checkpoints/best.ckpt" in out
