"""Shapes: outlines, lines and letters, each against what its definition demands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.data.synthetic.fields import SIZE, coordinates
from anomaly_lab.data.synthetic.shapes import blob, curve, letters, stroke


def test_a_blob_is_positive_inside_of_its_radius() -> None:
    depth = blob(np.random.default_rng(0), (10.0, -20.0), 30, rough=0.05)
    x, y = coordinates((10.0, -20.0))
    distance = np.hypot(x, y)
    assert (depth[distance < 25] > 0).all()
    assert (depth[distance > 36] < 0).all()


@given(length=st.floats(10, 200), bend=st.floats(0, 1), jag=st.floats(0, 0.5), seed=st.integers(0, 99))
def test_a_curve_has_its_length_and_its_centre(length: float, bend: float, jag: float, seed: int) -> None:
    points = curve(np.random.default_rng(seed), (3.0, 4.0), length, bend, jag)
    np.testing.assert_allclose(points.mean(0), (3, 4), atol=1e-3)
    steps = np.hypot(*np.diff(points, axis=0).T)
    np.testing.assert_allclose(steps.sum(), length * len(steps) / len(points), rtol=1e-3)


@pytest.mark.parametrize("width", [1.0, 2.5, 6.0])
def test_a_stroke_covers_its_length_times_its_width(width: float) -> None:
    points = np.array([[-50.0, 0.0], [50.0, 0.0]], np.float32)
    cover = stroke(points, width)
    assert cover.min() == 0 and cover.max() <= 1
    assert cover.sum() == pytest.approx(100 * width + np.pi * width**2 / 4, abs=0.3 * 100), "to 0.3 px in width"


@pytest.mark.parametrize("turn", [0.0, np.pi])
def test_letters_stand_upright_in_their_coordinates(turn: float) -> None:
    """An L has its ink at the lower left, in the image where the coordinates are those of the image."""
    cover = letters("L", 1.5, 5, *coordinates(angle=turn))
    assert cover.shape == (SIZE, SIZE) and cover.min() == 0 and cover.max() == 1
    rows, _ = np.nonzero(cover > 0.5)
    assert 25 < np.ptp(rows) < 45, "a capital letter is 21 px high at scale 1, and as thick as its line"
    corner = cover[SIZE // 2 :, : SIZE // 2].sum() if turn == 0 else cover[: SIZE // 2, SIZE // 2 :].sum()
    assert corner > 0.4 * cover.sum()
