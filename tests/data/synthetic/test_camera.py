"""The camera: exposures are spread evenly, so that brightness and contrast do not give defects away."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anomaly_lab.data.synthetic.camera import BRIGHTNESS, CONTRAST, Camera, radical_inverse, sample_camera
from anomaly_lab.data.synthetic.fields import SIZE
from data.synthetic.files import pixels


@given(count=st.integers(1, 60), base=st.sampled_from([2, 3]))
def test_exposures_fill_their_range_evenly(count: int, base: int) -> None:
    """The discrepancy of a van der Corput sequence is of the order of log(n) / n."""
    values = np.sort([radical_inverse(index, base) for index in range(count)])
    assert ((values >= 0) & (values < 1)).all()
    ranks = np.arange(count) / count
    assert np.abs(values - ranks).max() <= (np.log2(count) + 2) / count


def test_brightness_and_contrast_do_not_tell_defects(folder: Path) -> None:
    paths = sorted(folder.glob("test/*/*.png"))
    defective = [path.parent.name != "good" for path in paths]
    grey = [pixels(path).mean(axis=2) for path in paths]
    for statistic in (np.mean, np.std):
        area = roc_auc_score(defective, [statistic(image) for image in grey])
        assert max(area, 1 - area) < 0.7, statistic


def test_contrast_changes_around_the_pivot_and_brightness_by_a_factor() -> None:
    """By hand, on flat scenes, in even light and without noise: 0.4 + (0.6 − 0.4)·1.1 = 0.62, and 1.5 times that."""
    camera = Camera(np.ones((SIZE, SIZE), np.float32), 1.5, 1.1, 0.6, np.zeros((SIZE, SIZE, 3), np.float32))
    image = camera.photograph(np.full((SIZE, SIZE, 3), 0.6, np.float32), pivot=0.4)
    assert image.dtype == np.uint8
    assert (image == round(0.62 * 1.5 * 255)).all()
    assert (camera.photograph(np.full((SIZE, SIZE, 3), 2.0, np.float32), pivot=0.4) == 255).all(), "clipped, not wrapped"


@settings(max_examples=10)
@given(index=st.integers(0, 10_000))
def test_a_sampled_camera_keeps_its_limits(index: int) -> None:
    camera = sample_camera(np.random.default_rng(index), index)
    assert abs(camera.brightness - 1) <= BRIGHTNESS
    assert abs(camera.contrast - 1) <= CONTRAST
    assert camera.light.shape == (SIZE, SIZE) and 0.7 < camera.light.min() < camera.light.max() < 1.3
