"""AUPIMO by hand, against a brute-force integral, and against values of the published code."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.metrics.aupimo import HIGH, LOW, Aupimo

Images = list[tuple[np.ndarray, np.ndarray | None]]  # (heatmap, ground truth or None for a normal image)


def metric(images: Images) -> Aupimo:
    result = Aupimo()
    for heatmap, truth in images:
        none = np.zeros(heatmap.shape, bool)
        label = int(truth is not None)
        scored: Any = SimpleNamespace(heatmap=heatmap, truth=truth if label else none, sample=SimpleNamespace(label=label))
        result.update(scored, none)
    return result


def random_images(seed: int, normal: int, defective: int, side: int = 400) -> Images:
    """Heatmaps in which defects are brighter by different amounts."""
    rng = np.random.default_rng(seed)
    images: Images = [(rng.normal(0, 1, (side, side)).astype(np.float32), None) for _ in range(normal)]
    for k in range(defective):
        heatmap, truth = rng.normal(0, 1, (side, side)).astype(np.float32), np.zeros((side, side), bool)
        truth[20 : 60 + k, 30:80] = True
        heatmap[truth] += 2 + k
        images.append((heatmap, truth))
    return images


def test_by_hand() -> None:
    heatmap = np.zeros((100, 1000), np.float32)  # 10⁵ pixels: the first false pixel has the rate 1e-5, the tenth 1e-4
    heatmap[0, :10] = np.arange(10, 0, -1)
    defect = np.array([[0.0, 5.5]], np.float32)
    truth = np.ones((1, 2), bool)
    # t(F) falls from 10 to 1; half of the defect is found at t ≤ 5, which has the rate 6e-5
    expected = 0.5 * np.log(1e-4 / 6e-5) / np.log(10)
    assert metric([(heatmap, None), (defect, truth)]).compute()["aupimo"] == pytest.approx(expected)


def test_undefined_without_a_class_and_perfect_above_all_normal_pixels() -> None:
    normal, truth = np.zeros((9, 9), np.float32), np.ones((9, 9), bool)
    assert metric([]).compute() == {"aupimo": None}
    assert metric([(normal, None)]).compute() == {"aupimo": None}
    assert metric([(normal, truth)]).compute() == {"aupimo": None}
    assert metric([(normal, None), (normal + 1, truth)]).compute() == {"aupimo": pytest.approx(1.0)}
    assert metric([(normal, None), (normal - 1, truth)]).compute() == {"aupimo": pytest.approx(0.0)}


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=10)
def test_against_a_brute_force_integral(seed: int, normal: int, defective: int) -> None:
    images = random_images(seed, normal, defective)
    found = metric(images).per_image()
    assert found is not None
    rates = np.geomspace(LOW, HIGH, 4001)
    clean = np.sort(np.stack([h.ravel() for h, truth in images if truth is None]))
    everything = np.sort(clean.ravel())[::-1]
    for value, (heatmap, truth) in zip(found, [image for image in images if image[1] is not None], strict=True):
        thresholds = everything[np.maximum(np.floor(rates * everything.size - 1e-9).astype(int) - 1, 0)]
        recall = (heatmap[truth] >= thresholds[:, None]).mean(1)
        recall[rates * everything.size < 1] = (heatmap[truth] > everything[0]).mean()
        brute = np.trapezoid(recall, np.log(rates)) / np.log(HIGH / LOW)
        assert value == pytest.approx(brute, abs=2e-3)


@pytest.mark.parametrize(
    ("seed", "normal", "defective", "published"),
    [(0, 3, 4, (0.0272, 0.1482, 0.4825, 0.8108)), (1, 5, 3, (0.0208, 0.1662, 0.4902))],
)
def test_against_the_published_code(seed: int, normal: int, defective: int, published: tuple[float, ...]) -> None:
    """anomalib 2.0.0, `aupimo_scores` with 300,000 thresholds. It takes the threshold nearest to a bound, we the exact rate."""
    found = metric(random_images(seed, normal, defective)).per_image()
    assert found == pytest.approx(published, abs=0.01)
