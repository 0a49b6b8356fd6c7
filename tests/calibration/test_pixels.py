"""The pixel threshold against a sort of all pixels, and the rates at it by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.calibration.pixels import RATE, PixelRates, PixelThreshold


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 2000))
@settings(max_examples=60)
def test_it_is_the_lowest_value_that_few_enough_pixels_exceed(seed: int, images: int, steps: int) -> None:
    """Images of several sizes count alike. `steps`: fewer of them give more ties."""
    rng = np.random.default_rng(seed)
    heatmaps = [rng.integers(0, steps, rng.integers(1, 90, 2)).astype(np.float32) for _ in range(images)]
    pixels = PixelThreshold(images)
    for heatmap in heatmaps:
        pixels.update(heatmap)

    def exceeded(threshold: float) -> float:
        return float(np.mean([(heatmap > threshold).mean() for heatmap in heatmaps]))

    found = pixels.compute()
    values = np.unique(np.concatenate([heatmap.ravel() for heatmap in heatmaps]))
    assert found in values and exceeded(found) <= RATE * 1.001
    assert all(exceeded(value) > RATE * 0.999 for value in values[values < found])


def test_without_images_there_is_none() -> None:
    with pytest.raises(ValueError, match="no normal image"):
        PixelThreshold(0).compute()


def test_rates_by_hand() -> None:
    rates = PixelRates(2.0)
    assert rates.compute() == {"pixel_fpr": None, "pixel_tpr": None}
    heatmap = np.array([[1, 2], [3, 4]], np.float32)
    rates.update(heatmap, 0, np.zeros((2, 2), bool))
    rates.update(heatmap, 1, np.array([[1, 1], [1, 0]], bool))
    assert rates.compute() == {"pixel_fpr": 0.5, "pixel_tpr": 1 / 3}, "what lies around a defect counts in neither"
