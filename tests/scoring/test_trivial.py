"""Trivial references, computed by hand."""

import pytest
import torch

from anomaly_lab.metrics import curves
from anomaly_lab.scoring.poolings import maximum
from anomaly_lab.scoring.trivial import HEATMAPS, MEASURED, References, flat_grey, gradient, spread

GREY = torch.tensor([0.5, 0.4, 0.3])


def test_flat_grey_by_hand() -> None:
    """The channels of the first pixel have the distances 0, .1, .2; those of the second .2, .3, .4."""
    X = torch.tensor([0.5, 0.7]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    torch.testing.assert_close(flat_grey(X, GREY, 0)[0, 0], torch.tensor([0.05 / 3, 0.29 / 3]))
    assert flat_grey(X, GREY, 3.0)[0, 0].diff() < flat_grey(X, GREY, 0)[0, 0].diff() / 2, "it is smoothed"


def test_the_gradient_by_hand() -> None:
    X = torch.tensor([[0.0, 0.2, 0.2], [0.5, 0.5, 0.5]]).expand(1, 3, 2, 3)
    torch.testing.assert_close(gradient(X, GREY, 0)[0], torch.tensor([[0.2 + 0.5, 0.3, 0.3], [0.0, 0.0, 0.0]]))


def test_the_spread_is_the_standard_deviation_around_each_pixel() -> None:
    generator = torch.Generator().manual_seed(0)
    X = 0.5 + 0.1 * torch.randn(1, 1, 200, 200, generator=generator).expand(1, 3, 200, 200)
    assert spread(X, GREY, 12.0)[0, 60:140, 60:140].mean() == pytest.approx(0.1, rel=0.02)
    assert spread(torch.full((1, 3, 9, 9), 0.3), GREY, 2.0).max() < 1e-3


def images() -> list[tuple[torch.Tensor, int, torch.Tensor | None]]:
    """Grey images; the first defect is a spot with sharp edges, the second has no ground truth."""
    normal, spotted = torch.full((3, 16, 16), 0.4), torch.full((3, 16, 16), 0.4)
    spotted[:, 4:8, 4:8] = 0.5
    truth = torch.zeros(16, 16, dtype=torch.bool)
    truth[4:8, 4:8] = True
    return [(normal, 0, torch.zeros_like(truth)), (spotted, 1, truth), (normal + 0.2, 1, None)]


def test_metrics_are_those_of_the_heatmaps() -> None:
    references = References([0.4, 0.4, 0.4], 1.0, maximum)
    scores, pixels = [], []
    for X, label, truth in images():
        references.update(X, (16, 16), label, truth)
        heatmap = gradient(X[None], GREY, 1.0)[0]
        scores.append((float(heatmap.max()), label))
        if truth is not None:
            pixels += list(zip(heatmap.flatten().tolist(), truth.flatten().tolist(), strict=True))
    found = references.compute()
    for name, pairs in (("gradient_image_auroc", scores), ("gradient_pixel_auroc", pixels)):
        turns = curves.turns_of_scores([s for s, label in pairs if not label], [s for s, label in pairs if label])
        assert turns is not None and found[name] == pytest.approx(curves.auroc(turns), abs=1e-6)
    assert found["brightness_image_auroc"] == 1, "both defective images are brighter than the training's"


def test_the_best_reference_is_told() -> None:
    references = References([0.4, 0.4, 0.4], 1.0, maximum)
    for X, label, truth in images():
        references.update(X, (16, 16), label, truth)
    found = references.compute()
    for metric in MEASURED:
        names = HEATMAPS if metric.startswith(("pixel", "aupro")) else (*HEATMAPS, "brightness")
        assert found[f"trivial_{metric}"] == max(found[f"{name}_{metric}"] for name in names)  # type: ignore[type-var]


def test_without_images_nothing_is_defined() -> None:
    assert set(References([0.4, 0.4, 0.4], 1.0, maximum).compute().values()) == {None}
