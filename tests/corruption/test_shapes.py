"""Each shape on its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from anomaly_lab.corruption.shapes import SHAPES


@pytest.mark.parametrize("name", sorted(SHAPES))
@settings(max_examples=50)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 10**6))
def test_a_shape_is_connected_and_has_the_size_of_the_patch(name: str, height: int, width: int, seed: int) -> None:
    mask = SHAPES[name]((height, width), np.random.default_rng(seed))
    assert mask.shape == (height, width)
    assert mask.dtype == bool
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


def test_a_rectangle_is_the_whole_patch() -> None:
    assert SHAPES["rectangle"]((5, 7), np.random.default_rng(0)).all()


def test_an_ellipse_touches_all_sides_and_covers_a_quarter_of_pi() -> None:
    mask = SHAPES["ellipse"]((81, 121), np.random.default_rng(0))
    assert mask[0].any()
    assert mask[-1].any()
    assert mask[:, 0].any()
    assert mask[:, -1].any()
    assert mask.mean() == pytest.approx(np.pi / 4, rel=0.03)
    assert (mask != mask[::-1]).mean() < 0.01
    assert (mask != mask[:, ::-1]).mean() < 0.01


def test_blobs_differ_and_are_not_ellipses() -> None:
    blobs = [SHAPES["blob"]((64, 64), np.random.default_rng(seed)) for seed in range(20)]
    assert len({b.tobytes() for b in blobs}) == 20
    areas = [b.mean() for b in blobs]
    assert min(areas) > 0.1
    assert max(areas) < np.pi / 4 + 0.02  # inside the ellipse
    assert np.std(areas) > 0.02


def test_strokes_are_thin_and_long() -> None:
    masks = [SHAPES["stroke"]((64, 64), np.random.default_rng(seed)) for seed in range(40)]
    thickness = [2 * ndimage.distance_transform_edt(np.pad(m, 1)).max() for m in masks]
    assert np.median(thickness) <= 8  # a stroke that turns back is thicker there
    lengths = [max(np.ptp(axis) for axis in np.nonzero(m)) for m in masks]
    assert np.median(lengths) > 20
    assert np.mean([m.mean() for m in masks]) < 0.1
