"""Scored images: heatmap and score at the stored size, in the run's precision, one by one."""

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import Finished, scoring, small_module
from data.bolts import bolt
from torch import Tensor, nn

from anomaly_lab.data.folder import Sample, scan
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.errors import UserError
from anomaly_lab.runs.trained import load
from anomaly_lab.scored import look, score
from anomaly_lab.scoring.bands import observed
from anomaly_lab.scoring.heatmap import smooth


class MeanColour(nn.Module):
    """F(X) is the mean colour of X."""

    def forward(self, X: Tensor) -> Tensor:
        return X.mean((-2, -1), keepdim=True).expand_as(X)


def image(seed: int = 0) -> Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 0.5 + 0.25


def test_heatmap_and_score_are_of_the_stored_size() -> None:
    module = small_module(scoring=scoring("absolute", 1.5))
    module.network = MeanColour()
    X = image()
    found = look(module, X, (64, 48))
    expected = smooth((X - X.mean((-2, -1), keepdim=True)).abs().mean(0)[None], 1.5)
    resized = nn.functional.interpolate(expected[None], size=(64, 48), mode="bilinear")[0, 0]
    assert found.heatmap.shape == (64, 48) and found.heatmap.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(found.heatmap), resized)
    assert found.score == found.heatmap.max()
    assert found.output is not None
    torch.testing.assert_close(found.output, MeanColour()(X[None])[0])


def test_the_default_heatmap_is_the_distance_of_the_normal_error() -> None:
    module = small_module(scoring=scoring("mahalanobis", 1.5))
    module.network = MeanColour()
    images = [image(seed) for seed in range(3)]
    model = module.scorer.fusion.maps[0]
    model.fit([observed(X, MeanColour()(X[None])[0]) for X in images])
    found = look(module, images[0], (32, 32))
    expected = model(images[0][None], MeanColour()(images[0][None]), 1.5)[0]
    torch.testing.assert_close(torch.from_numpy(found.heatmap), expected, rtol=1e-4, atol=1e-4)


def test_of_an_aligned_image_all_results_are_of_the_image_as_it_lies(tmp_path: Path) -> None:
    """F(X) is a mean colour, so the bolt itself is the error: it is found where it lies, in the stored size."""
    module = small_module(
        scoring=scoring("absolute+squared", 0), preprocessing={"scale": 0.5, "contrast": "none", "align": True}
    ).eval()
    module.network = MeanColour()
    module.scorer.fusion.units.copy_(torch.cat([torch.tensor([[0.05, 1.0]] * 2), torch.linspace(-4, 2, 64).repeat(2, 1)], 1))
    stored = cv2.resize(bolt(65, (54, 70)), (256, 256), interpolation=cv2.INTER_LINEAR)
    assert cv2.imwrite(str(tmp_path / "0.png"), stored[..., ::-1])
    truth = stored[..., 0] < 130
    (found,) = score(module, [Sample(tmp_path / "0.png", "good", None)])
    at_half = cv2.resize(truth.astype(np.uint8), (128, 128), interpolation=cv2.INTER_AREA) > 0
    assert found.heatmap.shape == (256, 256) and found.score == found.heatmap.max()
    high = found.heatmap > (found.heatmap.max() + found.heatmap.min()) / 2
    assert (high & truth).sum() / (high | truth).sum() > 0.9
    assert found.parts is not None and found.output is not None
    for values in (*found.parts.numpy(), -found.X[0].numpy()):
        pixels = values > np.quantile(values, 1 - at_half.mean())
        assert (pixels & at_half).sum() / (pixels | at_half).sum() > 0.85
    assert float(found.output.std((1, 2)).max()) < 1e-6 and found.output.shape == found.X.shape == (3, 128, 128)
    plain = Preprocessing(0.5)(stored)
    assert torch.equal(found.plain, torch.from_numpy(plain.transpose(2, 0, 1).copy()))
    assert found.X[0, :10].std() < 1e-3 < found.plain[0, :10].std(), "an even background, and grain"


def test_bf16_gives_nearly_the_heatmaps_of_fp32() -> None:
    torch.manual_seed(0)
    module = small_module(network={"_target_": "anomaly_lab.networks.sdc_autoencoder.SDCAutoencoder", **WIDE}).eval()
    X, heatmaps = torch.rand(3, 48, 48), []
    for precision in ("32-true", "bf16-mixed"):
        module.precision = precision
        heatmaps.append(look(module, X, (48, 48)).heatmap)
    exact, rough = heatmaps
    assert rough.dtype == np.float32, "the signal is a small residual, in which 8 bits would make ties"
    assert len(np.unique(rough)) > 0.99 * len(np.unique(exact))
    assert not np.array_equal(rough, exact), "bf16 was used"
    assert np.abs(rough - exact).max() / exact.mean() < 0.05


WIDE = {"width": 0.25, "checkpointing": False, "standardize": False}


def test_scores_are_those_that_the_run_wrote(finished: Finished) -> None:
    """scores.csv, the heatmaps and the ground truth of a finished run, bit for bit."""
    trained = load(finished.directory)
    with (finished.directory / "scores.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    samples = scan(finished.root, "stripes").test
    for scored in score(trained.module, samples):
        name = scored.sample.path.relative_to(finished.root / "stripes").as_posix()
        assert repr(scored.score) == rows[name]["score"]
        stem = name.removeprefix("test/").removesuffix(".png")
        np.testing.assert_array_equal(scored.heatmap, np.load(finished.directory / f"heatmaps/{stem}.npy"))
        truth = cv2.imread(str(finished.directory / f"truth/{stem}.png"), cv2.IMREAD_UNCHANGED) > 0
        np.testing.assert_array_equal(scored.truth, truth)  # type: ignore[arg-type]


def test_worker_processes_change_nothing(finished: Finished) -> None:
    module, samples = load(finished.directory).module, scan(finished.root, "stripes").test
    here, there = (list(score(module, samples, workers)) for workers in (0, 2))
    for a, b in zip(here, there, strict=True):
        assert a.score == b.score and a.sample == b.sample
        np.testing.assert_array_equal(a.heatmap, b.heatmap)


def test_images_are_read_one_by_one(tmp_path: Path) -> None:
    """Memory does not grow with their number, and images before a damaged one are scored."""
    module = small_module()
    cv2.imwrite(str(tmp_path / "0.png"), np.full((16, 16, 3), 90, np.uint8))
    samples = [Sample(tmp_path / f"{i}.png", "good", None) for i in range(2)]
    scored = score(module, samples)
    assert next(scored).sample is samples[0]
    with pytest.raises(UserError, match=r"1\.png cannot be read"):
        next(scored)


def test_between_two_images_the_caller_s_settings_hold(finished: Finished) -> None:
    """The caller may compute gradients in its own precision between two images."""
    module: Any = load(finished.directory).module
    module.precision = "bf16-mixed"
    for _ in score(module, scan(finished.root, "stripes").test[:2]):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
