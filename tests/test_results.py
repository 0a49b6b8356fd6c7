"""Results of a test: metrics, rows, heatmaps, and the flat grey baseline."""

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Finished, small_module
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_lab.data.folder import NORMAL, Sample, scan
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import StoredImages
from anomaly_lab.results import Results, write_heatmap
from anomaly_lab.scored import Scored


def results_of(run: Path, cases: list[tuple[str, torch.Tensor, torch.Tensor | None]], save: bool = True) -> Results:
    """Results at a threshold of 0.5 and a min_area of 4 pixels. `cases`: (defect, heatmap, truth) of each test image."""
    samples = [Sample(Path(f"/data/test/{defect}/{i:03d}.png"), defect, None) for i, (defect, _, _) in enumerate(cases)]
    module = small_module(min_area=4)
    module.threshold.fill_(0.5)
    results = Results(module, samples, Path("/data"))
    for sample, (_, heatmap, truth) in zip(samples, cases, strict=True):
        mask = None if truth is None else truth.numpy()
        scored = Scored(
            heatmap.numpy(),
            float(heatmap.max()),
            None,
            None,
            sample,
            torch.zeros(3, *heatmap.shape),
            torch.zeros(3, *heatmap.shape),
            mask,
            (),
        )
        results.add(scored)
        if save:
            write_heatmap(scored, run)
    results.conclude()
    results.write(run, [])
    return results


def spot(side: int, value: float = 1.0) -> torch.Tensor:
    heatmap = torch.full((16, 16), 0.1)
    heatmap[2 : 2 + side, 2 : 2 + side] = value
    return heatmap


NOTHING = torch.zeros(16, 16, dtype=torch.bool)


def test_an_image_with_a_large_enough_component_is_predicted_defective(tmp_path: Path) -> None:
    """2 × 2 pixels over the threshold are enough; a single pixel is not, even with a high value."""
    cases = [("hole", spot(2), spot(2) > 0.5), (NORMAL, spot(1, 9.0), NOTHING), (NORMAL, spot(3, 0.5), NOTHING)]
    results = results_of(tmp_path, cases)
    assert [row["predicted"] for row in results.rows] == [1, 0, 0]
    assert (results.metrics["tpr"], results.metrics["tnr"]) == (1, 1)
    assert results.metrics["image_auroc"] == 0.5, "the score ignores areas"
    assert results.metrics["pixel_f1"] == 1


def test_rows_heatmaps_and_masks_are_written_exactly(tmp_path: Path) -> None:
    heatmap = torch.rand(16, 16)
    results_of(tmp_path, [("hole", heatmap, spot(2) > 0.5), (NORMAL, spot(0), NOTHING)])
    np.testing.assert_array_equal(np.load(tmp_path / "heatmaps/hole/000.npy"), heatmap.numpy())
    assert (tmp_path / "truth/hole/000.png").is_file()
    with (tmp_path / "scores.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["path"], first["defect"], first["label"]) == ("test/hole/000.png", "hole", "1")
    assert np.float32(first["score"]) == heatmap.max().numpy(), "the score has all digits"
    assert (second["label"], second["predicted"]) == ("0", "0")


def test_heatmaps_are_written_on_request_only(tmp_path: Path) -> None:
    results_of(tmp_path, [("hole", spot(2), spot(2) > 0.5), (NORMAL, spot(0), NOTHING)], save=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["levels.csv", "metrics_by_defect.csv", "scores.csv"]


def test_an_image_without_a_mask_counts_in_image_metrics_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With an empty mask, its defect would count as normal."""
    with caplog.at_level(logging.WARNING):
        results = results_of(tmp_path, [("hole", spot(2), None), (NORMAL, spot(0), NOTHING)])
    assert results.metrics["image_auroc"] == 1
    assert results.metrics["pixel_auroc"] is None
    assert "pixel_auroc cannot be computed: the test images lack ground-truth masks" in caplog.text
    assert not (tmp_path / "truth/hole").exists()
    assert (tmp_path / "heatmaps/hole/000.npy").is_file()


def test_images_without_a_mask_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cases = [("hole", spot(2), spot(2) > 0.5), ("hole", spot(0), None), (NORMAL, spot(0), NOTHING)]
    results = results_of(tmp_path, cases)
    assert results.unmasked == 1
    assert results.metrics["pixel_auroc"] == 1, "the image without a mask would spoil it"
    assert results.metrics["tpr"] == 0.5
    assert "1 of 2 defective images have no mask: pixel metrics leave them out" in caplog.text


def test_flat_grey_is_the_squared_distance_from_the_mean_colour(finished: Finished) -> None:
    """Recomputed here from the stored images with the run's preprocessing."""
    content = torch.load(finished.directory / "checkpoints/best.ckpt", weights_only=True)
    hparams = content["hyper_parameters"]
    images = StoredImages(scan(finished.root, "stripes").test, Preprocessing(**hparams["preprocessing"]))
    mean = torch.tensor(hparams["mean_color"]).view(3, 1, 1)
    flat, truth = [], []
    for i in range(len(images)):
        item: dict = images[i]
        flat.append(blurred((item["X"] - mean).square().mean(0).numpy(), hparams["scoring"]["sigma"]))
        truth.append(item["truth"].numpy())
    metrics = json.loads((finished.directory / "metrics.json").read_text())
    expected = roc_auc_score(np.concatenate(truth).ravel(), np.concatenate(flat).ravel())
    assert metrics["flat_pixel_auroc"] == pytest.approx(expected, abs=1e-6)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image, sigma, mode="reflect", truncate=4.0)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_results_by_defect_compare_its_images_with_all_normal_ones(finished: Finished) -> None:
    import cv2

    scores = rows_of(finished.directory / "scores.csv")
    table = {row["defect"]: row for row in rows_of(finished.directory / "metrics_by_defect.csv")}
    assert set(table) == {"hole", "stain"}
    for kind, row in table.items():
        images = [r for r in scores if r["defect"] in (NORMAL, kind)]
        assert (row["n"], row["n_normal"]) == ("2", "3")
        label = [int(r["label"]) for r in images]
        assert float(row["image_auroc"]) == pytest.approx(roc_auc_score(label, [float(r["score"]) for r in images]))
        assert float(row["tpr"]) == np.mean([int(r["predicted"]) for r in images if r["defect"] == kind])
        names = [r["path"].removeprefix("test/").removesuffix(".png") for r in images]
        heatmap = np.concatenate([np.load(finished.directory / f"heatmaps/{name}.npy").ravel() for name in names])
        masks = [cv2.imread(str(finished.directory / f"truth/{name}.png"), cv2.IMREAD_UNCHANGED) > 0 for name in names]
        truth = np.concatenate([mask.ravel() for mask in masks])
        assert float(row["pixel_auroc"]) == pytest.approx(roc_auc_score(truth, heatmap), abs=1e-9)
        assert float(row["pixel_ap"]) == pytest.approx(average_precision_score(truth, heatmap), abs=1e-9)


def test_levels_hold_validation_and_test_images_and_explain_each_decision(finished: Finished) -> None:
    """The threshold and the decisions, also those for another min_area, follow from levels.csv alone."""
    from scipy import ndimage

    metrics = json.loads((finished.directory / "metrics.json").read_text())
    rows = rows_of(finished.directory / "levels.csv")
    areas = sorted({int(row["min_area"]) for row in rows})
    assert metrics["min_area"] in areas
    assert len(rows) == len(areas) * (metrics["n_validation"] + metrics["n_test"])
    assert {row["path"].split("/")[0] for row in rows if row["split"] == "validation"} == {"train"}
    at = {(row["path"], int(row["min_area"])): float(row["level"]) for row in rows}
    validation = [row["path"] for row in rows if row["split"] == "validation"]
    assert metrics["threshold"] == max(at[path, metrics["min_area"]] for path in validation)
    for row in rows_of(finished.directory / "scores.csv"):
        heatmap = np.load(finished.directory / f"heatmaps/{row['path'].removeprefix('test/').removesuffix('.png')}.npy")
        assert float(row["level"]) == at[row["path"], metrics["min_area"]]
        assert row["predicted"] == str(int(float(row["level"]) > metrics["threshold"]))
        above = sum(at[path, metrics["min_area"]] >= float(row["level"]) for path in set(validation))
        assert float(row["p_value"]) == pytest.approx((1 + above) / (1 + metrics["n_validation"]), rel=1e-5)
        for min_area in areas:
            threshold = max(at[path, min_area] for path in validation)
            label, n = ndimage.label(heatmap > np.float64(threshold), structure=np.ones((3, 3)))
            found = any((label == i).sum() >= min_area for i in range(1, n + 1))
            assert found == (at[row["path"], min_area] > threshold)


def test_images_unlike_the_training_s_are_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    samples = [Sample(Path(f"/data/test/new/{i}.png"), "new", None) for i in range(3)]
    results = Results(small_module(), samples, Path("/data"))
    for sample, odd in zip(samples, [(), ("size", "sharpness"), ("size",)], strict=True):
        results.add(
            Scored(np.zeros((8, 8), np.float32), 0.0, None, None, sample, torch.zeros(3, 8, 8), torch.zeros(3, 8, 8), None, odd)
        )
    results.conclude()
    assert [row["unlike"] for row in results.rows] == ["", "size sharpness", "size"]
    assert results.how_unlike() == "size (2), sharpness (1)"
    (said,) = [message for message in caplog.messages if "unlike" in message]
    assert said.startswith("2 of 3 images are unlike the training's in size (2), sharpness (1), such as test/new/1.png")
    assert "data.rescale=" in said


def test_masks_that_cover_most_of_their_images_are_doubted(caplog: pytest.LogCaptureFixture) -> None:
    samples = [Sample(Path(f"/data/test/hole/{i}.png"), "hole", Path(f"/data/{i}_mask.png")) for i in range(2)]
    results = Results(small_module(), samples, Path("/data"))
    for sample, side in zip(samples, (5, 6), strict=True):
        truth = np.zeros((8, 8), bool)
        truth[:side, :side] = True  # 25 and 36 of 64 pixels
        results.add(
            Scored(np.zeros((8, 8), np.float32), 0.0, None, None, sample, torch.zeros(3, 8, 8), torch.zeros(3, 8, 8), truth, ())
        )
    results.conclude()
    assert results.covered == [Path("/data/1_mask.png")]
    assert any("1 masks mark over half of their image, such as /data/1_mask.png" in message for message in caplog.messages)
