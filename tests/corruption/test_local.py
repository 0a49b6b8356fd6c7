"""The guarantees on (X, X̂, M), for every configuration and for all contents and shapes."""

import functools
from collections.abc import Sequence
from typing import Any

import albumentations as A
import numpy as np
import pytest
from conftest import RANGES
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from scipy import ndimage

from anomaly_lab.build import build
from anomaly_lab.corruption.contents import Content, Cutout
from anomaly_lab.corruption.local import SHAPES, LocalCorruption
from anomaly_lab.runs.command_line import CONF
from corruption.pictures import CONTENTS, PICTURES, picture

NAMES = sorted(path.stem for path in (CONF / "corruption").glob("*.yaml") if path.stem not in ("base", "none"))
LEVEL = 1 / 255


def local(contents: Sequence[Content], **changes: Any) -> LocalCorruption:
    return LocalCorruption(contents, **RANGES | changes)


@functools.cache
def configured(name: str) -> LocalCorruption:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["+category=carpet", f"corruption={name}"])
    always = {} if name == "none" else {"p": 1.0}  # a corruption of half the crops must keep its guarantees in each
    return build(OmegaConf.to_container(config.corruption, resolve=True) | always)


def corrupted(corruption: LocalCorruption, X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(X̂, M)"""
    corruption.set_random_seed(seed)
    pair = corruption(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
    return pair["image"], pair["mask"]


def assert_guarantees(corruption: LocalCorruption, X: np.ndarray, seed: int) -> None:
    before = X.copy()
    X_hat, M = corrupted(corruption, X, seed)
    assert np.array_equal(X, before), "X itself was changed"
    assert X_hat.dtype == np.float32
    assert X_hat.shape == X.shape
    assert X_hat.min() >= 0
    assert X_hat.max() <= 1
    assert M.shape == (*X.shape[:2], 1)
    assert M.dtype == np.float32
    assert set(np.unique(M)) <= {0, 1}
    assert M.any()
    inside = M[..., 0] > 0
    assert np.array_equal(X_hat[~inside], X[~inside]), "changed outside the mask"
    assert np.abs(X_hat - X)[inside].max() >= 2 * LEVEL - 1e-6, "the change is not visible"


def test_none_changes_nothing() -> None:
    X = picture("noise", 40, 50, grey=False)
    for seed in range(20):
        X_hat, M = corrupted(configured("none"), X, seed)
        assert np.array_equal(X_hat, X) and not M.any()


def test_defects_are_in_half_of_the_crops() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["+category=carpet", "corruption=defects"])
    corruption = build(OmegaConf.to_container(config.corruption, resolve=True))
    X = picture("noise", 40, 50, grey=False)
    changed = sum(bool(corrupted(corruption, X, seed)[1].any()) for seed in range(200))
    assert 70 < changed < 130


def test_there_is_a_configuration_for_each_corruption_that_the_design_names() -> None:
    assert {"elastic", "cutout", "swap"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50)
@given(
    height=st.integers(32, 512),
    width=st.integers(32, 512),
    grey=st.booleans(),
    kind=st.sampled_from(PICTURES),
    seed=st.integers(0, 2**31 - 1),
)
def test_guarantees_of_every_configuration(name: str, height: int, width: int, grey: bool, kind: str, seed: int) -> None:
    assert_guarantees(configured(name), picture(kind, height, width, grey), seed)


@pytest.mark.parametrize("kind", ["black", "white", "flat"])
@pytest.mark.parametrize("content", CONTENTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("brightness", [(0.0, 0.0), (0.05, 0.25), (0.6, 0.9)])
def test_flat_images_still_change(kind: str, content: Content, brightness: tuple[float, float]) -> None:
    """Flat content does not change when it is moved or blurred, so the corruption must do something else."""
    for seed in range(8):
        corruption = local([content], brightness=brightness, brightness_share=seed % 2)
        assert_guarantees(corruption, picture(kind, 40, 48, grey=seed % 3 == 0, seed=seed), seed)


@pytest.mark.parametrize("step", [-0.7, -1e-7, 1e-7, 0.7])
def test_content_outside_the_range_is_clipped(step: float) -> None:
    """A blurred white is 1.0000001."""
    for kind in PICTURES:
        for seed in range(4):
            overshooting = local([lambda image, box, rng: image[box] + np.float32(step)])
            assert_guarantees(overshooting, picture(kind, 32, 32, grey=False), seed)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@settings(max_examples=20)
@given(height=st.integers(8, 64), width=st.integers(8, 64), seed=st.integers(0, 2**31 - 1))
def test_guarantees_of_every_shape_for_patches_of_any_size(shape: str, height: int, width: int, seed: int) -> None:
    """From single pixels to the whole image, with many overlapping patches."""
    corruption = local(CONTENTS, count=(1, 12), size=(0.001, 1.0), shapes=[shape])
    assert_guarantees(corruption, picture("noise", height, width, grey=False), seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_determines_the_corruption(name: str) -> None:
    X = picture("stripes", 96, 64, grey=False)
    corruption = configured(name)
    first, second = corrupted(corruption, X, 1), corrupted(corruption, X, 2)
    again = corrupted(corruption, X, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_global_random_generators_have_no_effect() -> None:
    X = picture("noise", 64, 64, grey=False)
    corruption = local(CONTENTS)
    results = []
    for state in (1, 2):
        np.random.seed(state)
        results.append(corrupted(corruption, X, 5)[0])
    assert np.array_equal(*results)


def test_it_composes_with_other_transforms() -> None:
    """A flip after it moves X̂ and M alike."""
    X = picture("noise", 50, 70, grey=False)
    compose = A.Compose([local([Cutout(0.5)]), A.HorizontalFlip(p=1), A.VerticalFlip(p=1)], seed=3)
    pair = compose(image=X, mask=np.zeros((50, 70), np.uint8))
    X_hat, M = pair["image"][::-1, ::-1], pair["mask"][::-1, ::-1]
    assert M.dtype == np.uint8
    assert M.shape == (50, 70)
    assert 0 < M.mean() < 1
    assert np.array_equal(X_hat[M == 0], X[M == 0])
    assert not np.array_equal(X_hat[M == 1], X[M == 1])


def test_other_values_in_the_mask_are_kept() -> None:
    X = picture("noise", 50, 70, grey=False)
    before = np.random.default_rng(0).integers(2, 9, (50, 70)).astype(np.uint8)
    corruption = local([Cutout(0.5)])
    corruption.set_random_seed(0)
    mask = corruption(image=X, mask=before)["mask"]
    _, M = corrupted(corruption, X, 0)
    assert np.array_equal(mask == 1, M[..., 0] == 1)
    assert np.array_equal(mask[mask != 1], before[mask != 1])


def test_number_and_size_of_patches_follow_their_ranges() -> None:
    """The shapes are rectangles, so the mask shows the patches; sides are fractions of the image's sides."""
    X = picture("noise", 100, 200, grey=False)
    one = local([Cutout(0.5)], count=(1, 1), size=(0.1, 0.3), shapes=["rectangle"])
    heights, widths, tops = [], [], []
    for seed in range(60):
        rows, columns = np.nonzero(corrupted(one, X, seed)[1][..., 0])
        heights.append(np.ptp(rows) + 1)
        widths.append(np.ptp(columns) + 1)
        tops.append(rows.min())
        assert len(rows) == heights[-1] * widths[-1]
    assert 10 <= min(heights) < 15 < 25 < max(heights) <= 30
    assert 20 <= min(widths) < 30 < 50 < max(widths) <= 60
    assert min(tops) < 10
    assert max(tops) > 60
    many = local([Cutout(0.5)], count=(2, 4), size=(0.02, 0.04), shapes=["rectangle"])
    counts = [ndimage.label(corrupted(many, X, seed)[1][..., 0])[1] for seed in range(60)]
    assert max(counts) == 4
    assert set(counts) >= {2, 3, 4}
    assert counts.count(1) <= 3  # patches that touch


def test_brightness_shifts_the_given_share_of_patches_in_either_direction() -> None:
    X = np.full((40, 40, 3), 0.5, np.float32)
    grey = Cutout(0.5)
    shifted = local([grey], count=(1, 1), shapes=["rectangle"], brightness=(0.1, 0.2), brightness_share=1.0)
    changes = []
    for seed in range(40):
        X_hat, M = corrupted(shifted, X, seed)
        values = np.unique((X_hat - X)[M[..., 0] > 0])
        assert len(values) == 1, "a patch has one shift"
        changes.append(float(values[0]))
    assert all(0.1 - 1e-6 <= abs(change) <= 0.2 + 1e-6 for change in changes)
    assert 5 < sum(change > 0 for change in changes) < 35
    other = np.full((40, 40, 3), 0.9, np.float32)
    share = local([grey], count=(1, 1), shapes=["rectangle"], brightness=(0.1, 0.2), brightness_share=0.25)
    unshifted = [np.isclose(corrupted(share, other, seed)[0], 0.5).any() for seed in range(80)]
    assert 0.6 < np.mean(unshifted) < 0.9


def test_all_contents_and_shapes_are_drawn() -> None:
    X = np.full((32, 32, 3), 0.5, np.float32)
    corruption = local([Cutout(0.0), Cutout(1.0)], count=(1, 1), brightness_share=0, shapes=["rectangle", "ellipse"])
    seen = set()
    for seed in range(40):
        X_hat, M = corrupted(corruption, X, seed)
        rows, columns = np.nonzero(M[..., 0])
        full = len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        seen.add((float(X_hat[rows[0], columns[0], 0]), full))
    assert seen == {(0.0, True), (0.0, False), (1.0, True), (1.0, False)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shapes": ["blob", "star"]}, "shapes has star: choose from blob, ellipse, rectangle, stroke"),
        ({"shapes": []}, "shapes is empty: a corruption needs at least one"),
        ({"contents": []}, "contents is empty: a corruption needs at least one"),
        ({"count": (0, 2)}, r"count is \(0, 2\): it must be a pair"),
        ({"count": (3, 2)}, "count is"),
        ({"count": 3}, "count is 3"),
        ({"brightness": (0.1, 1.1)}, "brightness is"),
        ({"size": (0.0, 0.5)}, "size is"),
        ({"size": (0.5, 0.2)}, "size is"),
        ({"size": (0.5, 1.1)}, "size is"),
    ],
)
def test_an_invalid_setting_is_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        local(**{"contents": [Cutout(0.0)], **wrong})
