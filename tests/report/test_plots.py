"""All plots of a report."""

from pathlib import Path

import cv2
import pytest
from fake_runs import fake_run, records_of

from anomaly_lab.report.pictures import lambda_plots, plots


def test_the_plots_of_a_sweep_are_readable_files_in_both_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_plots, "SWEPT", {"image_auroc": "image AUROC"})  # time
    for i in range(8):
        lam, category, seed = (0.3, 0.9)[i % 2], ("carpet", "wood")[i // 2 % 2], i // 4
        fake_run(tmp_path / f"runs/{i}", lam=lam, category=category, seed=seed, image_auroc=lam / 2 + seed / 10)
    pictures = list(plots.plots(records_of(tmp_path / "runs"), tmp_path / "figures"))
    assert [p.name for p in pictures] == ["lambda_image_auroc", "lambda_category_image_auroc", "comparisons", "cost"]
    for p in pictures:
        image = cv2.imread(str(p.png))
        assert image is not None and image.std() > 5
        text = p.svg.read_text()
        assert text.startswith("<?xml") and "</svg>" in text
        assert p.caption
    assert ">carpet</text>" in (tmp_path / "figures/cost.svg").read_text(), "text stays text"
