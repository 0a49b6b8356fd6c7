"""Painted defects: what stays, what changes, and what the label says."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.corruption import painting
from anomaly_lab.corruption.painting import Foreign, Tone, _label, _place, clone, painted


def image(seed: int, size: tuple[int, int] = (64, 80), grey: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = cv2.GaussianBlur(rng.random((*size, 3), np.float32), (0, 0), 1.5)
    return np.repeat(found[..., :1], 3, 2) if grey else found


@given(st.integers(0, 2**31), st.booleans(), st.sampled_from([(32, 32), (64, 80), (128, 64)]))
@settings(max_examples=60)
def test_only_labelled_neighbourhoods_change_and_values_stay_in_range(seed: int, grey: bool, size: tuple[int, int]) -> None:
    X, others = image(seed, size, grey), [image(seed + 1, grey=grey), image(seed + 2, (40, 40), grey)]
    Y, label = painted(X, others, np.random.default_rng(seed))
    assert Y.shape == X.shape and Y.dtype == np.float32 and label.shape == X.shape[:2] and label.dtype == np.float32
    assert Y.min() >= 0 and Y.max() <= 1 and label.min() >= 0 and label.max() <= 1
    assert not label[(X == Y).all(2) & (cv2.dilate((X != Y).any(2).astype(np.uint8), np.ones((5, 5))) == 0)].any()
    assert not grey or (Y[..., :1] == Y).all(), "a colour would give a defect in a grey image away"


def test_defects_are_painted_and_the_same_draw_paints_the_same() -> None:
    X, others = image(0), [image(1)]
    changed = [painted(X, others, np.random.default_rng(seed))[1].max() > 0.5 for seed in range(40)]
    assert np.mean(changed) > 0.6
    for first, second in zip(
        painted(X, others, np.random.default_rng(3)), painted(X, others, np.random.default_rng(3)), strict=True
    ):
        assert np.array_equal(first, second)
    assert np.array_equal(X, image(0)), "the image itself stays"


def test_the_label_grows_with_the_change_and_is_a_half_at_the_soft_limit() -> None:
    X = np.tile(np.float32([[[0.4], [0.6]]]), (20, 10, 3))  # standard deviation .1
    M = np.ones((20, 20), bool)
    labels = [float(_label(X, X + np.float32(change), M)[10, 10]) for change in (0, 0.01, 0.02, 0.1)]
    assert labels[0] == 0 and labels == sorted(labels) and labels[-1] > 0.99
    half = round(255 * max(painting.LEAST, painting.SOFT * float(X.std()))) / 255
    assert _label(X, X + np.float32(half), M)[10, 10] == pytest.approx(0.5, abs=0.1)
    M[:] = False
    assert not _label(X, X + np.float32(0.3), M).any()


def test_a_lone_pixel_is_no_defect() -> None:
    X = np.full((20, 20, 3), 0.5, np.float32)
    Y = X.copy()
    Y[10, 10] = 1
    assert not _label(X, Y, np.ones((20, 20), bool)).any()


@given(st.integers(0, 2**31), st.integers(24, 200), st.integers(24, 200))
@settings(max_examples=80)
def test_a_place_lies_inside_the_image(seed: int, height: int, width: int) -> None:
    (rows, columns), shape = _place((height, width), np.random.default_rng(seed))
    assert 1 <= rows.start < rows.stop <= height - 1 and 1 <= columns.start < columns.stop <= width - 1
    assert shape.shape == (rows.stop - rows.start, columns.stop - columns.start) and shape.dtype == bool


@pytest.mark.parametrize("size", [(24, 24), (24, 25), (25, 24), (25, 25)])
def test_a_patch_that_is_cloned_onto_itself_changes_nothing(size: tuple[int, int]) -> None:
    """Not even by rounding to 8 bits: OpenCV's own error is one grey level."""
    rng = np.random.default_rng(0)
    X = cv2.GaussianBlur(rng.random((80, 80, 3), np.float32), (0, 0), 1.5)
    box = slice(20, 20 + size[0]), slice(30, 30 + size[1])
    Y = X.copy()
    clone(Y, X[box], box, np.ones(size, bool), 0.0, rng)
    change = 255 * (Y - X)
    assert np.abs(change).max() < 1.01 and abs(float(change[box].mean())) < 0.75
    np.testing.assert_allclose(change, np.rint(change), atol=1e-3, err_msg="whole grey levels, on what was there")


def test_a_foreign_patch_comes_from_another_image() -> None:
    X, other = np.zeros((64, 64, 3), np.float32), np.full((30, 90, 3), 0.7, np.float32)
    for seed in range(20):
        patch = Foreign([other])(X, (slice(3, 40), slice(2, 60)), np.random.default_rng(seed))
        assert patch.shape == (37, 58, 3) and np.allclose(patch, 0.7)


def test_a_tone_shifts_the_mean_and_scales_the_structure() -> None:
    X = image(5)
    patch = Tone((1, 1), (0, 0))(X, (slice(0, 64), slice(0, 80)), np.random.default_rng(0))
    shift = np.abs((patch - X).mean((0, 1)))
    assert (shift > 0.25 * X.std()).all() and (shift < 1.05 * X.std()).all()
    assert np.diff(patch, axis=1).std() < 0.2 * np.diff(X, axis=1).std()
