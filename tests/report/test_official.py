"""Which data are the complete MVTec AD."""

from pathlib import Path
from typing import Any

import pytest
from fake_runs import SHORT, fake_run, official_run

from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.official import OFFICIAL, lacking, mvtec_ad, source
from anomaly_lab.report.read.run import read
from anomaly_lab.report.tables.paper import published


def test_mvtec_ad_has_its_published_totals() -> None:
    """Bergmann et al.: 3,629 training and 1,725 test images, 467 of them normal, 73 kinds of defect in 15 categories."""
    records = mvtec_ad().values()
    assert len(records) == 15 and set(mvtec_ad()) == {*published()["textures"], *published()["objects"]}
    assert sum(r["train"] for r in records) == 3629
    assert sum(r["good"] for r in records) == 467
    assert sum(r["good"] + r["defective"] for r in records) == 1725
    assert sum(len(r["defects"]) for r in records) == 73


@pytest.mark.parametrize("change", SHORT.values(), ids=SHORT)
def test_synthetic_or_partial_data_are_not_mvtec_ad(tmp_path: Path, change: dict[str, Any]) -> None:
    whole = read(official_run(tmp_path / "whole", "grid"))
    part = read(official_run(tmp_path / "part", "grid", **change))
    assert (lacking(whole), source(whole)) == (None, OFFICIAL)
    assert lacking(part) and source(part) != OFFICIAL


def test_the_reason_names_what_differs(tmp_path: Path) -> None:
    fewer, unknown = ({"n_train": 7}, {"n_train": None})
    assert lacking(read(official_run(tmp_path / "a", "grid", **fewer))) == "37 training images; MVTec AD has 264"
    sentence = "an unknown number of training images; MVTec AD has 264"
    assert lacking(read(official_run(tmp_path / "b", "grid", **unknown))) == sentence


def test_an_evaluation_counts_as_mvtec_ad_only_if_its_network_was_trained_on_it(tmp_path: Path) -> None:
    whole = official_run(tmp_path / "whole", "carpet", tpr_tnr_mean=0.9)
    synthetic = fake_run(tmp_path / "synthetic")
    official_run(tmp_path / "good", "carpet", source_run=str(whole), trained_on="mvtec", tpr_tnr_mean=0.8)
    official_run(tmp_path / "bad", "carpet", source_run=str(synthetic), trained_on="synthetic", tpr_tnr_mean=0.7)
    official_run(tmp_path / "lost", "carpet", source_run=str(tmp_path / "gone"), trained_on="mvtec", lam=0.7)
    reasons = {run.path.name: lacking(run) for run in collect([tmp_path])}
    assert reasons["whole"] is None and reasons["good"] is None
    assert "behind this evaluation is on other data (data=synthetic)" in str(reasons["bad"])
    assert "not to be found" in str(reasons["lost"])


def test_a_folder_of_another_name_is_not_mvtec_ad(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", data="mvtec", category="grid_mini", root="/pictures/mine")
    (run,) = collect([tmp_path])
    assert source(run) == f"folder “mine” (data=mvtec), not {OFFICIAL}"
    assert lacking(run) == f"{OFFICIAL} has no category grid_mini"
