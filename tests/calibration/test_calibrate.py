"""Calibration: what is learnt from held-out normal images, and the threshold that comes from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import scoring, small_data, small_module, write_category

from anomaly_lab.calibration.calibrate import calibrate
from anomaly_lab.calibration.levels import largest_component_area, quiet_level
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.statistics import evenly
from anomaly_lab.errors import UserError
from anomaly_lab.module import AnomalyModule
from anomaly_lab.scored import score
from anomaly_lab.scoring.bands import halved, observed
from anomaly_lab.scoring.light import lit_differently
from anomaly_lab.scoring.normal_error import FIT, NormalError

LEARNT = scoring("mahalanobis")


def ready(root: Path, **changes: Any) -> AnomalyDataModule:
    data = small_data(root, **changes)
    data.setup()
    return data


@pytest.fixture(scope="module")
def calibrated(data_root: Path) -> tuple[Any, AnomalyModule]:
    torch.manual_seed(0)
    data, module = ready(data_root), small_module(scoring=LEARNT)
    calibrate(module, data.images)
    return data.images, module


def heatmaps_of(module: AnomalyModule, data: Any, scorers: Any = None) -> list[np.ndarray]:
    return [scored.heatmap for scored in score(module, data.held_out, scorers=scorers)]


def seen(module: AnomalyModule, data: Any) -> list[list[Any]]:
    """What a fit sees of each held-out image: itself and its copies in other light, with their reconstructions."""
    random, found = torch.Generator().manual_seed(0), []
    for _, X in data.held_out_images(FIT):
        found.append([observed(x, module.F(x[None])[0]) for x in (X, *lit_differently(X, random))])
    return found


def fitted(images: list[Any]) -> NormalError:
    model = NormalError()
    model.fit(images)
    return model


def test_the_threshold_is_the_lowest_that_leaves_no_component_on_held_out_normals(calibrated: Any) -> None:
    """Each image is scored by a model of the normal error that was fitted on the other one."""
    data, module = calibrated
    assert len(data.held_out) == 2
    of_all, images, heatmaps = module.scorer.fusion.maps[0], seen(module, data), []
    for i in range(2):
        module.scorer.fusion.maps[0] = fitted(images[1 - i])
        heatmaps.append(heatmaps_of(module, data)[i])
    module.scorer.fusion.maps[0] = of_all
    threshold, min_area = float(module.threshold), module.hparams["min_area"]
    assert all(largest_component_area(h, threshold) < min_area for h in heatmaps)
    values = np.unique(np.concatenate([h.ravel() for h in heatmaps]).astype(np.float64))
    below = values[values < threshold * (1 - 1e-6)][-1]
    assert any(largest_component_area(h, below) >= min_area for h in heatmaps), "a lower one would do too"
    own = heatmaps_of(module, data)
    assert max(quiet_level(h, min_area) for h in own) < threshold, "images look more normal to a model that has seen them"


def test_the_model_that_is_kept_has_seen_all_held_out_images(calibrated: Any) -> None:
    data, module = calibrated
    expected = fitted([image for images in seen(module, data) for image in images]).state_dict()
    for name, value in module.scorer.fusion.maps[0].state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_no_image_is_scored_by_a_model_that_has_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven held-out images; five are fitted on, in four parts; the two others are scored by the model of all five."""
    module = small_module(scoring=LEARNT)
    fits: dict[int, set[int]] = {}  # of each model, the images it was fitted on

    class Pretended:
        held_out = tuple("abcdefg")

        def held_out_images(self, count: int) -> Iterator[tuple[int, torch.Tensor]]:
            return ((i, torch.full((3, 32, 32), float(i))) for i in evenly(7, count))

    def fit(model: NormalError, images: Any) -> None:
        fits[id(model)] = {round(float(of_one.brightness.mean())) for of_one in images}

    monkeypatch.setattr("anomaly_lab.scoring.normal_error.FIT", 5)
    monkeypatch.setattr("anomaly_lab.scoring.normal_error.lit_differently", lambda X, random: [X])
    monkeypatch.setattr(NormalError, "fit", fit)
    F: Any = lambda X: X  # noqa: E731
    normal: Any = Pretended()
    models = [scorer.fusion.maps[0] for scorer in module.scorer.learn(F, normal)]
    chosen = set(evenly(7, 5))
    assert len(models) == 7 and fits[id(module.scorer.fusion.maps[0])] == chosen
    for place, model in enumerate(models):
        assert place not in fits[id(model)] or place not in chosen
        assert (model is module.scorer.fusion.maps[0]) == (place not in chosen)
        assert fits[id(model)] < chosen or place not in chosen
        assert len(fits[id(model)]) >= 3
    assert set.union(*(chosen - fits[id(m)] for m in models)) == chosen


def test_a_single_held_out_image_is_scored_half_by_half_and_said_to_be_too_few(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_category(tmp_path / "stripes", train=4, good=1, defects=("scratch",), each=1)
    data, module = ready(tmp_path).images, small_module(scoring=LEARNT)
    calibrate(module, data)
    assert len(data.held_out) == 1 and "one held-out image" in caplog.text
    (own,), (images,) = heatmaps_of(module, data), seen(module, data)
    _, X = next(data.held_out_images(1))
    output, middle = module.F(X[None]), X.shape[-1] // 2
    heatmap = np.empty_like(own)
    for part, of_half in ((np.s_[:, :middle], 1), (np.s_[:, middle:], 0)):
        model = fitted([halved(image)[of_half] for image in images])
        heatmap[part] = model(X[None], output, LEARNT["sigma"])[0].numpy()[part]
    min_area, threshold = module.hparams["min_area"], float(module.threshold)
    assert quiet_level(heatmap, min_area) == pytest.approx(threshold, rel=1e-4)
    assert quiet_level(own, min_area) < threshold, "it looks more normal to a model that has seen it"


def test_a_plain_error_has_nothing_to_learn(data_root: Path) -> None:
    data, module = ready(data_root).images, small_module()
    calibrate(module, data)
    levels = [quiet_level(h, module.hparams["min_area"]) for h in heatmaps_of(module, data)]
    assert max(levels) == pytest.approx(float(module.threshold), rel=1e-5)


def test_calibration_sees_normal_images_that_were_not_trained_on(calibrated: Any) -> None:
    data, _ = calibrated
    seen = {sample.path for sample in data.held_out}
    assert seen and not seen & {sample.path for sample in data.train.samples}
    assert all("/train/good/" in path.as_posix() for path in seen)


def test_a_min_area_larger_than_the_images_is_refused(data_root: Path) -> None:
    module = small_module(min_area=64 * 64 + 1)
    with pytest.raises(UserError, match="min_area is 4097: no validation image has as many pixels"):
        calibrate(module, ready(data_root).images)


def test_no_test_image_chooses_anything(tmp_path: Path) -> None:
    """The threshold and the split are the same with any test images, and with none."""
    thresholds = []
    for name, options in (("a", {}), ("b", {"defects": ("scratch",), "good": 1}), ("c", {"defects": (), "good": 0})):
        write_category(tmp_path / name / "stripes", **options)  # type: ignore[arg-type]
        torch.manual_seed(0)
        data, module = ready(tmp_path / name), small_module()
        calibrate(module, data.images)
        thresholds.append(float(module.threshold))
    assert thresholds[0] == thresholds[1] == thresholds[2]


class Shifted(torch.nn.Module):
    """F(X) is X, darker by .02."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X - 0.02


class Flat(torch.nn.Module):
    """F(X) is the mean colour of X."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X.mean((-2, -1), keepdim=True).expand_as(X)


def test_the_relative_error_is_that_of_held_out_images(data_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, module = ready(data_root, validation_share=0.34).images, small_module()
    module.network = Shifted()
    calibrate(module, data)
    spread = sum(float(X.var((-2, -1), correction=0).mean()) for _, X in data.held_out_images(9))
    assert float(module.relative_error) == pytest.approx(4e-4 * len(data.held_out) / spread, rel=1e-4)
    assert "flat grey" not in caplog.text
    module.network = Flat()
    calibrate(module, data)
    assert float(module.relative_error) == pytest.approx(1, rel=1e-4)
    assert "F(X) is hardly better than a flat grey: its relative error on held-out images is 1.00" in caplog.text
