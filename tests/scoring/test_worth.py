"""The worth of each map: its own metrics, and those of the others without it, against metrics computed directly."""

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_lab.scoring.poolings import maximum
from anomaly_lab.scoring.worth import MEASURED, Worth


def examples() -> list[tuple[torch.Tensor, int, torch.Tensor]]:
    """Three maps of 8 × 9 px, of which only the first knows where defects are."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for label in (0, 0, 0, 1, 1, 1):
        truth = torch.zeros(8, 9, dtype=torch.bool)
        if label:
            truth[2:5, 3:6] = True
        parts = torch.rand(3, 8, 9, generator=generator)
        parts[0] += truth
        found.append((parts, label, truth))
    return found


def test_each_value_is_that_of_the_weighted_mean_of_its_maps() -> None:
    weights = torch.tensor([1.0, 2.0, 3.0])
    worth = Worth(["a", "b", "c"], weights.tolist(), maximum)
    for parts, label, truth in examples():
        worth.update(parts, (8, 9), label, truth)
    found = worth.compute()
    assert set(found) == {f"{what}_{name}_{metric}" for what in ("only", "without") for name in "abc" for metric in MEASURED}
    labels = [label for _, label, _ in examples()]
    truth = torch.cat([truth.flatten() for _, _, truth in examples()])
    for k, name in enumerate("abc"):
        others = weights * (torch.arange(3) != k)
        for what, used in (("only", torch.eye(3)[k]), ("without", others / others.sum())):
            heatmaps = [torch.einsum("khw,k->hw", parts, used) for parts, _, _ in examples()]
            scores = [heatmap.max() for heatmap in heatmaps]
            assert found[f"{what}_{name}_image_auroc"] == pytest.approx(roc_auc_score(labels, scores))
            values = torch.cat([heatmap.flatten() for heatmap in heatmaps])
            assert found[f"{what}_{name}_pixel_ap"] == pytest.approx(average_precision_score(truth, values))
    assert found["only_a_pixel_ap"] == 1 and found["without_a_pixel_ap"] < 0.5, "the first map knows all"


def test_of_two_maps_leaving_one_out_says_nothing_new() -> None:
    worth = Worth(["a", "b"], [1, 1], maximum)
    assert set(worth.compute()) == {f"only_{name}_{metric}" for name in "ab" for metric in MEASURED}


def test_without_masks_pixel_metrics_are_undefined() -> None:
    worth = Worth(["a", "b"], [1, 1], maximum)
    for parts, label, _ in examples():
        worth.update(parts[:2], (8, 9), label, None)
    found = worth.compute()
    assert found["only_a_image_auroc"] == 1
    assert found["only_a_pixel_ap"] is found["only_a_aupro"] is None


def test_a_pixel_s_defects_are_judged_at_the_size_of_the_heatmap() -> None:
    worth = Worth(["a", "b"], [1, 1], maximum)
    for parts, label, truth in examples():
        large = truth.repeat_interleave(2, 0).repeat_interleave(2, 1)
        worth.update(parts[:2], (16, 18), label, large)
    assert worth.compute()["only_a_pixel_ap"] > 0.8  # type: ignore[operator]
