"""Calibration on held-out normal images, and what the test writes."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Finished, small_data, small_module, small_trainer, write_category
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_lab.calibration.calibrate import FIT, calibrate, cross_fitted
from anomaly_lab.calibration.levels import largest_component_area, quiet_level
from anomaly_lab.data.folder import NORMAL, Sample
from anomaly_lab.data.statistics import evenly
from anomaly_lab.module import AnomalyModule
from anomaly_lab.results import TestResults
from anomaly_lab.scoring.normal_error import ResidualModel, halved, observed

LEARNT = {"error": "mahalanobis", "sigma": 2, "tile": 0, "pooling": "max"}


@pytest.fixture(scope="module")
def calibrated(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, AnomalyModule]:
    torch.manual_seed(0)
    data, module = small_data(data_root), small_module(scoring=LEARNT)
    data.prepare_data()
    data.setup()
    calibrate(small_trainer(tmp_path_factory.mktemp("trainer")), module, data)
    return data, module


def heatmaps_of(module: AnomalyModule, data: Any) -> list[np.ndarray]:
    with torch.no_grad():
        return [module.eval().detect(item)["heatmap"].numpy() for item in data.calibration_dataloader()]


def test_the_threshold_is_the_lowest_that_leaves_no_component_on_held_out_normals(calibrated: Any) -> None:
    """Each scored by a model of the normal error that was fitted on the other one."""
    data, module = calibrated
    assert len(data.held_out) == 2
    of_all, pairs, heatmaps = module.scorer.residuals, list(module.scorer.normal_pairs(module, data.clean_images(2))), []
    for i in range(2):
        module.scorer.residuals = ResidualModel()
        module.scorer.residuals.fit([observed(*pair) for pair in pairs[1 - i]])
        heatmaps.append(heatmaps_of(module, data)[i])
    module.scorer.residuals = of_all
    threshold, min_area = float(module.threshold), module.hparams["min_area"]
    assert all(largest_component_area(h, threshold) < min_area for h in heatmaps)
    values = np.unique(np.concatenate([h.ravel() for h in heatmaps]).astype(np.float64))
    below = values[values < threshold * (1 - 1e-6)][-1]
    assert any(largest_component_area(h, below) >= min_area for h in heatmaps), "a lower one would do too"
    own = heatmaps_of(module, data)
    assert max(quiet_level(h, min_area) for h in own) < threshold, "images look more normal to a model that has seen them"


def test_the_model_that_is_kept_has_seen_all_held_out_images(calibrated: Any) -> None:
    data, module = calibrated
    kept = {name: value.clone() for name, value in module.scorer.residuals.state_dict().items()}
    pairs = module.scorer.normal_pairs(module, data.clean_images(FIT))
    module.scorer.residuals.fit([observed(*pair) for of_one in pairs for pair in of_one])
    for name, value in module.scorer.residuals.state_dict().items():
        torch.testing.assert_close(value, kept[name])


def test_the_normal_error_is_learnt_in_other_light_too(tmp_path: Path) -> None:
    """Each image itself and two copies, all three reconstructed; the copies are the same at each call, and differ."""
    module = small_module(scoring=LEARNT)
    module.trainer = small_trainer(tmp_path)
    images = [0.3 + 0.4 * torch.rand(3, 16, 16), torch.full((3, 16, 16), 0.5)]
    pairs = list(module.scorer.normal_pairs(module, images))
    assert [len(of_one) for of_one in pairs] == [3, 3]
    for X, of_one in zip(images, pairs, strict=True):
        assert of_one[0][0] is X
        for x, output in of_one:
            torch.testing.assert_close(output, module.reconstructed([x])[0][1])
    first, second = pairs[1][1][0], pairs[1][2][0]
    assert not torch.equal(first, second) and first.std() == 0, "a flat image stays flat"
    torch.testing.assert_close(next(module.scorer.normal_pairs(module, images))[2][0], pairs[0][2][0])


def test_no_image_is_scored_by_a_model_that_has_seen_it(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven held-out images, of which five are fitted on, in four parts; the two others are scored by the model of all five."""
    module = small_module(scoring=LEARNT)
    seen: dict[int, set[int]] = {}  # of each model, the images it was fitted on

    class Pretended:
        held_out = tuple("abcdefg")

        def clean_images(self, count: int) -> Iterator[torch.Tensor]:
            return (torch.full((3, 32, 32), float(i)) for i in evenly(7, count))

    def fit(model: ResidualModel, images: Any) -> None:
        seen[id(model)] = {round(float(of_one.brightness.mean())) for of_one in images}

    monkeypatch.setattr("anomaly_lab.calibration.calibrate.FIT", 5)
    monkeypatch.setattr(ResidualModel, "fit", fit)
    monkeypatch.setattr(module.scorer, "normal_pairs", lambda _, images: ([(X, X), (X, X)] for X in images))
    data: Any = Pretended()
    models = cross_fitted(module, data)
    fitted = set(evenly(7, 5))
    assert len(models) == 7 and seen[id(module.scorer.residuals)] == fitted
    for place, model in enumerate(models):
        assert place not in seen[id(model)]
        assert (model is module.scorer.residuals) == (place not in fitted)
        assert seen[id(model)] < fitted or place not in fitted
        assert len(seen[id(model)]) >= 3
    assert set.union(*(fitted - seen[id(m)] for m in models)) == fitted


def test_a_single_held_out_image_is_scored_half_by_half_and_said_to_be_too_few(
    data_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, module = small_data(data_root, validation_share=0.01), small_module(scoring=LEARNT)
    data.prepare_data()
    data.setup()
    calibrate(small_trainer(tmp_path), module, data)
    assert len(data.held_out) == 1 and "one held-out image" in caplog.text
    (own,) = heatmaps_of(module, data)
    ((X, output), *lights) = next(module.scorer.normal_pairs(module, data.clean_images(1)))
    seen, middle = [observed(*pair) for pair in [(X, output), *lights]], X.shape[-1] // 2
    heatmap = np.empty_like(own)
    for scored, of_half in ((np.s_[:, :middle], 1), (np.s_[:, middle:], 0)):
        model = ResidualModel()
        model.fit([halved(of_one)[of_half] for of_one in seen])
        heatmap[scored] = model(X[None], output[None], LEARNT["sigma"])[0].numpy()[scored]
    min_area, threshold = module.hparams["min_area"], float(module.threshold)
    assert quiet_level(heatmap, min_area) == pytest.approx(threshold, rel=1e-4)
    assert quiet_level(own, min_area) < threshold, "it looks more normal to a model that has seen it"


def test_what_is_learnt_after_the_training_is_learnt_where_the_trainer_works(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a training Lightning leaves the module on the processor."""
    module, trainer = small_module(scoring=LEARNT), small_trainer(tmp_path)
    module.trainer = trainer
    went: list[Any] = []
    monkeypatch.setattr(module, "to", went.append)
    with module.as_in_testing():
        assert went == [trainer.strategy.root_device]
    data = small_data(data_root)
    data.prepare_data()
    data.setup()
    went.clear()

    def fitted(*_: Any) -> Any:
        assert went and set(went) == {trainer.strategy.root_device}
        raise InterruptedError("the fits have begun")

    monkeypatch.setattr(ResidualModel, "fit", fitted)
    with pytest.raises(InterruptedError):
        calibrate(trainer, module, data)


def test_a_plain_error_has_nothing_to_learn(data_root: Path, tmp_path: Path) -> None:
    data, module = small_data(data_root), small_module()
    data.prepare_data()
    data.setup()
    calibrate(small_trainer(tmp_path), module, data)
    levels = [quiet_level(h, module.hparams["min_area"]) for h in heatmaps_of(module, data)]
    assert max(levels) == pytest.approx(float(module.threshold), rel=1e-5)


def test_calibration_sees_normal_images_that_were_not_trained_on(calibrated: Any) -> None:
    data, _ = calibrated
    seen = {sample.path for sample in data.calibration_dataloader().dataset.samples}
    trained = {sample.path for sample in data.train_images.samples}
    assert seen
    assert not seen & trained
    assert all("/train/good/" in path.as_posix() for path in seen)


def test_calibration_leaves_the_trainer_as_it_was(data_root: Path, tmp_path: Path) -> None:
    data, module, trainer = small_data(data_root), small_module(), small_trainer(tmp_path)
    data.prepare_data()
    data.setup()
    before = list(trainer.callbacks)  # type: ignore[attr-defined]
    calibrate(trainer, module, data)
    assert trainer.callbacks == before  # type: ignore[attr-defined]


def outputs(heatmap: torch.Tensor) -> dict[str, torch.Tensor]:
    flat = torch.zeros_like(heatmap)
    return {"heatmap": heatmap, "score": heatmap.max(), "flat_heatmap": flat, "flat_score": flat.max()}


def results_of(run: Path, cases: list[tuple[str, torch.Tensor, torch.Tensor | None]], save: bool = True) -> TestResults:
    """(defect, heatmap, truth) of each test image, at a threshold of 0.5 and a smallest area of 4 pixels."""
    samples = [Sample(Path(f"/data/test/{defect}/{i:03d}.png"), defect, None) for i, (defect, _, _) in enumerate(cases)]
    module = small_module(min_area=4)
    module.threshold.fill_(0.5)
    results = TestResults(run, samples, Path("/data"), save)
    for i, (_, heatmap, truth) in enumerate(cases):
        results.on_test_batch_end(None, module, outputs(heatmap), {"index": i, "truth": truth}, i)  # type: ignore[arg-type]
    results.on_test_end(None, module)  # type: ignore[arg-type]
    return results


def spot(side: int, value: float = 1.0) -> torch.Tensor:
    heatmap = torch.full((16, 16), 0.1)
    heatmap[2 : 2 + side, 2 : 2 + side] = value
    return heatmap


NOTHING = torch.zeros(16, 16, dtype=torch.bool)


def test_an_image_is_predicted_defective_where_a_component_is_large_enough(tmp_path: Path) -> None:
    """Two by two pixels over the threshold are; one pixel is not, however high its value."""
    cases = [("hole", spot(2), spot(2) > 0.5), (NORMAL, spot(1, 9.0), NOTHING), (NORMAL, spot(3, 0.5), NOTHING)]
    results = results_of(tmp_path, cases)
    assert [row["predicted"] for row in results.rows] == [1, 0, 0]
    assert (results.metrics["tpr"], results.metrics["tnr"]) == (1, 1)
    assert results.metrics["image_auroc"] == 0.5, "the score knows nothing of areas"
    assert results.metrics["pixel_f1"] == 1


def test_rows_heatmaps_and_masks_are_written_exactly(tmp_path: Path) -> None:
    heatmap = torch.rand(16, 16)
    results_of(tmp_path, [("hole", heatmap, spot(2) > 0.5), (NORMAL, spot(0), NOTHING)])
    np.testing.assert_array_equal(np.load(tmp_path / "heatmaps/hole/000.npy"), heatmap.numpy())
    assert (tmp_path / "truth/hole/000.png").is_file()
    with (tmp_path / "scores.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["path"], first["defect"], first["label"]) == ("test/hole/000.png", "hole", "1")
    assert np.float32(first["score"]) == heatmap.max().numpy(), "nothing is rounded away"
    assert (second["label"], second["predicted"]) == ("0", "0")


def test_nothing_large_is_written_unless_asked_for(tmp_path: Path) -> None:
    results_of(tmp_path, [("hole", spot(2), spot(2) > 0.5), (NORMAL, spot(0), NOTHING)], save=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["levels.csv", "metrics_by_defect.csv", "scores.csv"]


def test_an_image_without_a_mask_counts_for_the_image_metrics_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An empty mask in its place would say that its defect is normal."""
    with caplog.at_level(logging.WARNING):
        results = results_of(tmp_path, [("hole", spot(2), None), (NORMAL, spot(0), NOTHING)])
    assert results.metrics["image_auroc"] == 1
    assert results.metrics["pixel_auroc"] is None
    assert "pixel_auroc cannot be computed: the test images lack ground-truth masks" in caplog.text
    assert not (tmp_path / "truth/hole").exists()
    assert (tmp_path / "heatmaps/hole/000.npy").is_file()


def test_the_trivial_reference_is_the_distance_from_the_mean_colour(finished: Finished) -> None:
    """Recomputed here from the stored images, which `category` contrast stretches to a common mean and spread."""
    import json

    from anomaly_lab.data.folder import scan
    from anomaly_lab.data.preprocessing import Preprocessing
    from anomaly_lab.data.stored_images import StoredImages

    module = AnomalyModule.load_from_checkpoint(finished.directory / "checkpoints/best.ckpt", map_location="cpu")
    images = StoredImages(scan(finished.root, "stripes").test, Preprocessing(**module.hparams["preprocessing"]))
    mean = torch.tensor(module.hparams["mean_color"]).view(3, 1, 1)
    flat, truth = [], []
    for i in range(len(images)):
        item: Any = images[i]
        distance = (item["X"] - mean).square() if module.hparams["scoring"]["error"] == "squared" else (item["X"] - mean).abs()
        flat.append(blurred(distance.mean(0).numpy(), module.hparams["scoring"]["sigma"]))
        truth.append(item["truth"].numpy())
    metrics = json.loads((finished.directory / "metrics.json").read_text())
    expected = roc_auc_score(np.concatenate(truth).ravel(), np.concatenate(flat).ravel())
    assert metrics["flat_pixel_auroc"] == pytest.approx(expected, abs=1e-4)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image, sigma, mode="reflect", truncate=4.0)


def test_no_test_image_chooses_anything(tmp_path: Path) -> None:
    """The threshold and the split are the same with any test images, and with none."""
    thresholds = []
    for name, options in (("a", {}), ("b", {"defects": ("scratch",), "good": 1}), ("c", {"defects": (), "good": 0})):
        write_category(tmp_path / name / "stripes", **options)  # type: ignore[arg-type]
        torch.manual_seed(0)
        data, module = small_data(tmp_path / name), small_module()
        data.prepare_data()
        data.setup()
        calibrate(small_trainer(tmp_path), module, data)
        thresholds.append(float(module.threshold))
    assert thresholds[0] == thresholds[1] == thresholds[2]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_results_by_defect_are_those_of_its_images_beside_all_normal_ones(finished: Finished) -> None:
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


def test_levels_hold_the_validation_and_the_test_images_and_explain_each_decision(finished: Finished) -> None:
    """From levels.csv alone follow the threshold, the decisions at it, and those at another min_area."""
    import json

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
