"""Metrics over a test set: against all its pixels, their bounds under rounding, merging, and examples by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import precision_recall_curve

from anomaly_lab.metrics import curves
from anomaly_lab.metrics.pooled import ImageMetrics, PixelMetrics
from metrics.examples import all_pixels, brute_force_aupro, localised

NOTHING = {"pixel_auroc": None, "pixel_ap": None, "aupro": None, "aupro_05": None}
NOTHING |= {"pixel_f1": None, "pixel_f1_max": None, "pixel_bound": 0.0}


def updated(metric, examples):
    for example in examples:
        metric.update(*example)
    return metric


def pixels(images, threshold=3):
    return [(torch.tensor(h), torch.tensor(t), torch.tensor(h > threshold)) for h, t in images]


@settings(max_examples=50)
@given(localised())
def test_pixel_metrics_equal_the_functions_on_all_pixels(images):
    found = updated(PixelMetrics(), pixels(images)).compute()
    negative, positive, _ = all_pixels(images)
    tp, fp = (positive > 3).sum(), (negative > 3).sum()
    precision_recall = tp / max(1, tp + fp), tp / positive.size
    harmonic = 2 * np.prod(precision_recall) / max(sum(precision_recall), 1e-9)
    areas = {"aupro": brute_force_aupro(images, 0.3), "aupro_05": brute_force_aupro(images, 0.05)}
    expected = exact(images) | areas | {"pixel_f1": harmonic, "pixel_f1_max": best_f1(positive, negative), "pixel_bound": 0}
    assert found == pytest.approx(expected, abs=1e-9)


def best_f1(positive, negative):
    """By scikit-learn."""
    precision, recall, _ = precision_recall_curve(np.repeat([1, 0], [positive.size, negative.size]), [*positive, *negative])
    return np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))


def exact(images):
    """The four metrics from the unrounded scores of all pixels."""
    negative, positive, area = all_pixels(images)
    turns = curves.turns_of_scores(negative, positive)
    return {
        "pixel_auroc": curves.auroc(turns),
        "pixel_ap": curves.average_precision(turns),
        "aupro": curves.aupro(curves.turns_of_scores(negative, positive, 1 / area), 0.3),
        "aupro_05": curves.aupro(curves.turns_of_scores(negative, positive, 1 / area), 0.05),
    }


@given(localised(), st.integers(2, 12))
def test_with_too_few_bins_the_metrics_are_within_their_bound(images, bins):
    found = updated(PixelMetrics(bins), pixels(images)).compute()
    for name, value in exact(images).items():
        assert abs(found[name] - value) <= found["pixel_bound"] + 1e-9, name
    distinct = max(len({s for h, t in images for s in h[t == kind].ravel()}) for kind in (False, True))
    assert found["pixel_bound"] == 0 or distinct > bins


def test_with_few_bins_the_bound_is_useful_and_the_true_error_is_smaller():
    rng = np.random.default_rng(1)
    images = [(rng.gamma(2, 0.01, (80, 80)).astype(np.float32), np.zeros((80, 80), bool)) for _ in range(3)]
    for heatmap, truth in images:
        truth[20:30, 20:35] = truth[50:54, 60:63] = True
        heatmap[truth] += 0.02
    found = updated(PixelMetrics(256), pixels(images, 0.05)).compute()
    errors = [abs(found[name] - value) for name, value in exact(images).items()]
    assert 0 < max(errors) <= found["pixel_bound"] < 0.05


def test_at_full_resolution_the_bound_is_far_below_a_ten_thousandth_and_memory_does_not_grow():
    """Two million pixels of smoothed noise in 2¹⁷ bins."""
    rng, images = np.random.default_rng(0), []
    for _ in range(2):
        heatmap = ndimage.gaussian_filter(rng.normal(0, 0.1, (1024, 1024)).astype(np.float32) ** 2, 3)
        truth = np.zeros(heatmap.shape, bool)
        truth[100:160, 200:240] = truth[700:720, 300:420] = True
        heatmap[truth] *= 1.2
        images.append((heatmap, truth))
    metric = updated(PixelMetrics(2**17), pixels(images, 0.02))
    found = metric.compute()
    errors = [abs(found[name] - value) for name, value in exact(images).items()]
    assert 0 < max(errors) <= found["pixel_bound"] < 1e-4
    assert sum(part.numel() for part in metric.negative) <= 2**17
    assert sum(part.numel() for part in metric.pending) == 0


def test_the_number_of_pending_pixels_is_limited(monkeypatch):
    monkeypatch.setattr("anomaly_lab.metrics.pooled.PENDING", 100)
    metric, rng, normal = PixelMetrics(50), np.random.default_rng(0), torch.zeros(8, 8, dtype=torch.bool)
    for _ in range(20):
        metric.update(torch.from_numpy(rng.random((8, 8), np.float32)), normal, normal)
        assert sum(part.numel() for part in metric.pending) <= 100
        assert sum(part.numel() for part in metric.negative) <= 50
    assert int(sum(part.sum() for part in metric.count)) + sum(part.numel() for part in metric.pending) == 20 * 64


def test_image_metrics_by_hand():
    normal = [(0.1, 0, 0), (-7.0, 0, 0), (-8.0, 0, 0), (30.0, 0, 1)]
    examples = [*normal, (30.0, 1, 1), (50.0, 1, 1), (-1.0, 1, 0)]
    metric = updated(ImageMetrics(), [(torch.tensor(s), label, p) for s, label, p in examples])
    assert metric.compute() == pytest.approx(
        {
            "image_auroc": (3.5 + 4 + 2) / 12,
            "image_f1": 4 / 6,
            "image_f1_max": 6 / 8,
            "tpr": 2 / 3,
            "tnr": 3 / 4,
            "tpr_tnr_mean": 17 / 24,
        }
    )
    metric.reset()
    assert set(metric.compute().values()) == {None}


def test_image_metrics_of_one_class():
    normal = updated(ImageMetrics(), [(torch.tensor(1.0), 0, 1), (torch.tensor(2.0), 0, 0)]).compute()
    none = dict.fromkeys(("image_auroc", "image_f1_max", "tpr_tnr_mean"))
    assert normal == none | {"image_f1": None, "tpr": None, "tnr": 0.5}
    defective = updated(ImageMetrics(), [(torch.tensor(1.0), 1, 1)]).compute()
    assert defective == none | {"image_f1": 1.0, "tpr": 1.0, "tnr": None}


@pytest.mark.filterwarnings("error")
def test_compute_without_data_gives_none_and_no_warning():
    assert set(ImageMetrics().compute().values()) == {None}
    assert PixelMetrics().compute() == NOTHING


def test_pixel_metrics_of_one_class():
    heatmap, no = torch.rand(3, 3), torch.zeros(3, 3, dtype=torch.bool)
    assert updated(PixelMetrics(), [(heatmap, no, no)]).compute() == NOTHING
    assert updated(PixelMetrics(), [(heatmap, ~no, ~no)]).compute() == NOTHING | {"pixel_f1": 1.0}


def test_pixel_metrics_refuse_other_shapes_and_nan():
    mask = torch.zeros(4, 4, dtype=torch.bool)
    for wrong in [(torch.rand(4, 5), mask, mask), (torch.rand(4, 4), mask, mask[:1]), (mask[0],) * 3]:
        with pytest.raises(ValueError, match="shape"):
            PixelMetrics().update(*wrong)
    heatmap = torch.full((4, 4), torch.nan)
    heatmap[0] = 0.5
    metric = updated(PixelMetrics(), [(torch.rand(4, 4), mask, mask), (heatmap, mask, mask)])
    with pytest.raises(ValueError, match="12 scores are NaN"):
        metric.compute()


def test_heatmaps_may_have_gradients_and_half_precision():
    heatmap = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16, requires_grad=True)
    truth = torch.tensor([[False, False], [True, False]])
    metric = updated(PixelMetrics(), [(heatmap, truth, heatmap > 2)])
    assert metric.compute()["pixel_auroc"] == pytest.approx(2 / 3)


def lot():
    """Seven images, alternately normal and defective: (examples for PixelMetrics, examples for ImageMetrics)."""
    rng = np.random.default_rng(0)
    shapes = [(9 + i, 8) for i in range(7)]
    images = [(rng.integers(0, 9, shape).astype(np.float32), np.zeros(shape, bool)) for shape in shapes]
    for i in (1, 3, 5):
        images[i][1][:i, :2] = images[i][1][-2:, 4:] = True
    scores = [(torch.tensor(h.mean()), int(t.any()), int(h.mean() > 4)) for h, t in images]
    return pixels(images, 5), scores


@settings(max_examples=20)
@given(st.permutations(range(7)), st.integers(0, 7))
def test_order_and_merging_change_nothing(order, cut):
    (images, scores) = lot()
    for metric, examples in ((PixelMetrics, images), (lambda: PixelMetrics(5), images), (ImageMetrics, scores)):
        whole = updated(metric(), examples).compute()
        one, other = (updated(metric(), [examples[i] for i in part]) for part in (order[:cut], order[cut:]))
        one.merge_state(other)
        assert one.compute() == pytest.approx(whole, abs=1e-12)
        assert None not in whole.values()
