"""The figures against scikit-learn, a brute-force AUPRO and examples by hand; rounding and merging."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_lab.metrics.curves import aupro, auroc, average_precision, f1
from anomaly_lab.metrics.pooled import ImageMetrics, PixelMetrics
from anomaly_lab.metrics.regions import regions

unhurried = settings(deadline=None)  # the machine is shared: a slow example is no failure
SCALES = st.sampled_from([(1.0, 0.0), (1e6, -3e6), (1e-30, 0.0), (-0.25, 7.0), (1e30, 0.0)])


def affine(scores, scale):
    """Scores of another range and sign, as float32: small whole numbers stay distinct."""
    return (scores * scale[0] + scale[1]).astype(np.float32)


@st.composite
def two_classes(draw):
    """(negative, positive) of few distinct values: ties within and between the classes abound."""
    scale = draw(SCALES)
    values = arrays(np.int64, st.integers(1, 30), elements=st.integers(-6, 6))
    return [affine(draw(values), scale) for _ in range(2)]


@st.composite
def localised(draw):
    """Up to 4 (heatmap, truth) of different sizes, with at least one normal and one defective pixel."""
    scale, images = draw(SCALES), []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.tuples(st.integers(1, 7), st.integers(2, 6)))
        heatmap = draw(arrays(np.int64, shape, elements=st.integers(0, 8)))
        images.append((affine(heatmap, scale), draw(arrays(bool, shape))))
    images[0][1].flat[:2] = True, False
    return images


def pooled(images):
    """(negative, positive, area), by scipy."""
    negative, positive, area = [], [], []
    for heatmap, truth in images:
        label, n = ndimage.label(truth, structure=np.ones((3, 3)))
        negative.append(heatmap[label == 0])
        for i in range(1, n + 1):
            positive.append(heatmap[label == i])
            area.append(np.full((label == i).sum(), (label == i).sum()))
    return [np.concatenate(x) if x else np.empty(0) for x in (negative, positive, area)]


def brute_force_aupro(images, limit):
    """Every distinct score as a threshold, every region on its own, the integral segment by segment."""
    normal = [s for heatmap, truth in images for s in heatmap[~truth]]
    defects = []
    for heatmap, truth in images:
        label, n = ndimage.label(truth, structure=np.ones((3, 3)))
        defects += [heatmap[label == i] for i in range(1, n + 1)]
    curve = [(0.0, 0.0)]
    for t in sorted({s for heatmap, _ in images for s in heatmap.ravel()}, reverse=True):
        false = sum(s >= t for s in normal) / len(normal)
        curve.append((false, sum((d >= t).mean() for d in defects) / len(defects)))
    total = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x0 < limit and x1 > x0:
            x = min(x1, limit)
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            total += (x - x0) * (y0 + y) / 2
    return total / limit


@unhurried
@given(two_classes())
def test_auroc_and_average_precision_equal_scikit_learn(scores):
    negative, positive = scores
    label, score = np.repeat([0, 1], [negative.size, positive.size]), np.concatenate(scores)
    assert auroc(negative, positive) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    expected = average_precision_score(label, score)
    assert average_precision(negative, positive) == pytest.approx(expected, abs=1e-12)


@unhurried
@given(localised(), st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_aupro_equals_brute_force(images, limit):
    assert aupro(*pooled(images), limit) == pytest.approx(brute_force_aupro(images, limit), abs=1e-9)


def test_hand_computed_curves():
    negative, positive = [1.0, 2.0, 3.0, 4.0], [3.0, 5.0]
    assert auroc(negative, positive) == (2.5 + 4) / 8
    assert average_precision(negative, positive) == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    # One region. FPR/PRO: (0, 0) (0, ½) (¼, ½) (½, 1) (1, 1): up to 0.4, a rectangle and a part of the slope.
    area = (0.25 * 0.5 + 0.15 * (0.5 + 0.8) / 2) / 0.4
    assert aupro(negative, positive, [2, 2], limit=0.4) == pytest.approx(area)


def test_scores_outside_the_unit_interval_are_not_squashed():
    assert auroc([100.0, 200.0], [150.0, 300.0]) == 0.75  # a sigmoid in float32 makes all four equal: 0.5


def test_aupro_of_all_equal_scores_is_the_diagonal():
    assert aupro(np.zeros(10), np.zeros(4), np.full(4, 4)) == pytest.approx(0.15)


def test_aupro_gives_a_small_region_the_weight_of_a_large_one():
    large, small, normal = np.full(99, 9.0), np.full(1, 0.0), np.full(50, 5.0)
    area = np.repeat([99, 1], [99, 1])
    assert aupro(normal, np.concatenate([large, small]), area) == pytest.approx(0.5 * (1 + 0))
    assert aupro(normal, np.concatenate([-large, small + 9]), area) == pytest.approx(0.5 * (1 + 0))


@pytest.mark.parametrize("figure", [auroc, average_precision, lambda n, p: aupro(n, p, np.ones(np.size(p)))])
def test_one_class_has_no_figure(figure):
    some, none = np.array([0.2, 0.4]), np.array([])
    assert figure(some, none) is None and figure(none, some) is None and figure(none, none) is None
    assert figure(some, some) is not None


@pytest.mark.parametrize("figure", [auroc, average_precision, lambda n, p: aupro(n, p, np.ones(np.size(p)))])
def test_nan_is_refused_and_counted(figure):
    with pytest.raises(ValueError, match="3 of 5 scores are NaN"):
        figure([1.0, np.nan, np.nan], [np.nan, 2.0])
    with pytest.raises(ValueError, match="1 of 1 scores are NaN"):
        figure([], [np.nan])


@pytest.mark.parametrize("limit", [0, -0.3, 1.1])
def test_aupro_refuses_a_wrong_limit(limit):
    with pytest.raises(ValueError, match="limit"):
        aupro([0.0], [1.0], [1], limit)


@pytest.mark.parametrize("area", [[1, 1], [], [0], [np.nan]])
def test_aupro_refuses_a_wrong_area(area):
    with pytest.raises(ValueError, match="area"):
        aupro([0.0], [1.0], area)


def test_inputs_are_left_as_they_were():
    negative, positive = np.array([3.0, 1.0, 2.0]), np.array([5.0, 0.0])
    auroc(negative, positive)
    assert negative.tolist() == [3, 1, 2] and positive.tolist() == [5, 0]


def test_f1():
    assert f1(2, 1, 3) == 0.5 and f1(0, 1, 0) is None and f1(0, 0, 0) is None


@unhurried
@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_regions_are_scipys(truth):
    label, expected = regions(truth), ndimage.label(truth, structure=np.ones((3, 3)))[0]
    pairs = set(zip(label.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})  # but for the numbering
    assert ((label == 0) == ~truth).all()


def test_regions_touch_at_corners():
    assert regions(np.eye(4, dtype=bool)).max() == 1


def updated(metric, examples):
    for example in examples:
        metric.update(*example)
    return metric


def pixels(images, threshold=3):
    return [(torch.tensor(h), torch.tensor(t), torch.tensor(h > threshold)) for h, t in images]


@settings(unhurried, max_examples=50)
@given(localised())
def test_pixel_metrics_equal_the_functions_on_all_pixels(images):
    figures = updated(PixelMetrics(), pixels(images)).compute()
    negative, positive, _ = pooled(images)
    tp, fp = (positive > 3).sum(), (negative > 3).sum()
    precision_recall = tp / max(1, tp + fp), tp / positive.size
    harmonic = 2 * np.prod(precision_recall) / max(sum(precision_recall), 1e-9)
    assert figures == pytest.approx({
        "pixel_auroc": auroc(negative, positive),
        "pixel_ap": average_precision(negative, positive),
        "aupro": brute_force_aupro(images, 0.3),
        "pixel_f1": harmonic,
    }, abs=1e-9)  # fmt: skip


def exact(images):
    """The three figures from all pixels, unrounded."""
    negative, positive, area = pooled(images)
    return {
        "pixel_auroc": auroc(negative, positive),
        "pixel_ap": average_precision(negative, positive),
        "aupro": aupro(negative, positive, area),
    }


@unhurried
@given(localised(), st.integers(2, 12))
def test_with_too_few_bins_the_figures_are_within_their_bound(images, bins):
    metric = updated(PixelMetrics(bins), pixels(images))
    figures = metric.compute()
    for name, value in exact(images).items():
        assert abs(figures[name] - value) <= metric.bound + 1e-9, name
    distinct = max(len({s for h, t in images for s in h[t == kind].ravel()}) for kind in (False, True))
    assert (metric.bound == 0) or distinct > bins


def test_with_few_bins_the_bound_says_something_and_the_true_error_is_smaller():
    rng = np.random.default_rng(1)
    images = [(rng.gamma(2, 0.01, (80, 80)).astype(np.float32), np.zeros((80, 80), bool)) for _ in range(3)]
    for heatmap, truth in images:
        truth[20:30, 20:35] = truth[50:54, 60:63] = True
        heatmap[truth] += 0.02
    metric = updated(PixelMetrics(256), pixels(images, 0.05))
    figures = metric.compute()
    errors = [abs(figures[name] - value) for name, value in exact(images).items()]
    assert 0 < max(errors) <= metric.bound < 0.05


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
    figures = metric.compute()
    errors = [abs(figures[name] - value) for name, value in exact(images).items()]
    assert 0 < max(errors) <= metric.bound < 1e-4
    assert sum(part.numel() for part in metric.negative) <= 2**17
    assert sum(part.numel() for part in metric.pending) == 0


def test_pixels_wait_no_longer_than_they_are_allowed_to(monkeypatch):
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
            "tpr": 2 / 3,
            "tnr": 3 / 4,
            "tpr_tnr_mean": 17 / 24,
        }
    )
    metric.reset()
    assert set(metric.compute().values()) == {None}


def test_image_figures_of_one_class():
    normal = updated(ImageMetrics(), [(torch.tensor(1.0), 0, 1), (torch.tensor(2.0), 0, 0)]).compute()
    none = {"image_auroc": None, "tpr_tnr_mean": None}
    assert normal == none | {"image_f1": None, "tpr": None, "tnr": 0.5}
    defective = updated(ImageMetrics(), [(torch.tensor(1.0), 1, 1)]).compute()
    assert defective == none | {"image_f1": 1.0, "tpr": 1.0, "tnr": None}


@pytest.mark.filterwarnings("error")
def test_compute_without_data_gives_none_and_no_warning():
    for metric in (PixelMetrics(), ImageMetrics()):
        assert set(metric.compute().values()) == {None}


def test_pixel_figures_of_one_class():
    heatmap, no = torch.rand(3, 3), torch.zeros(3, 3, dtype=torch.bool)
    assert set(updated(PixelMetrics(), [(heatmap, no, no)]).compute().values()) == {None}
    figures = updated(PixelMetrics(), [(heatmap, ~no, ~no)]).compute()
    assert figures == {"pixel_auroc": None, "pixel_ap": None, "aupro": None, "pixel_f1": 1.0}


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


def test_updates_hold_no_gradient_and_accept_half_precision():
    heatmap = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16, requires_grad=True)
    truth = torch.tensor([[False, False], [True, False]])
    metric = updated(PixelMetrics(), [(heatmap, truth, heatmap > 2)])
    assert metric.compute()["pixel_auroc"] == pytest.approx(2 / 3)


def lot():
    """Seven images, alternately normal and defective: (examples for PixelMetrics, for ImageMetrics)."""
    rng = np.random.default_rng(0)
    shapes = [(9 + i, 8) for i in range(7)]
    images = [(rng.integers(0, 9, shape).astype(np.float32), np.zeros(shape, bool)) for shape in shapes]
    for i in (1, 3, 5):
        images[i][1][:i, :2] = images[i][1][-2:, 4:] = True
    scores = [(torch.tensor(h.mean()), int(t.any()), int(h.mean() > 4)) for h, t in images]
    return pixels(images, 5), scores


@settings(unhurried, max_examples=20)
@given(st.permutations(range(7)), st.integers(0, 7))
def test_order_and_merging_change_nothing(order, cut):
    (images, scores) = lot()
    for metric, examples in ((PixelMetrics, images), (lambda: PixelMetrics(5), images), (ImageMetrics, scores)):
        whole = updated(metric(), examples).compute()
        one, other = (updated(metric(), [examples[i] for i in part]) for part in (order[:cut], order[cut:]))
        one.merge_state(other)
        assert one.compute() == pytest.approx(whole, abs=1e-12)
        assert None not in whole.values()
