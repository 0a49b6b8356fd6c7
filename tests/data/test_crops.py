"""Sizes of crops and batches that follow from the working size, and the cutting of crops."""

from pathlib import Path

import numpy as np
import pytest
from conftest import small_data, write_category
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.data.crops import batch_size, crop_size, random_crop, turned_crop
from anomaly_lab.data.statistics import SIZES


@pytest.mark.parametrize(
    ("image_size", "crop", "batch"), [(32, 32, 8), (64, 32, 8), (256, 128, 8), (320, 160, 8), (384, 192, 4), (512, 256, 4)]
)
def test_crops_are_half_of_the_working_size_and_fewer_where_they_are_large(image_size: int, crop: int, batch: int) -> None:
    assert crop_size("auto", image_size) == crop
    assert batch_size("auto", crop, image_size) == batch


@given(st.integers(32, 4096))
def test_auto_suits_the_network(image_size: int) -> None:
    crop = crop_size("auto", image_size)
    assert crop % 8 == 0 and crop >= 32 and (image_size < 64 or abs(crop - image_size / 2) <= 4)
    assert batch_size("auto", crop, image_size) in (4, 8)


def test_a_requested_size_is_used_and_whole_images_count_by_their_own_size() -> None:
    assert [crop_size(given, 512) for given in (0, 96)] == [0, 96]
    assert batch_size(3, 256, 512) == 3
    assert [batch_size("auto", 0, image_size) for image_size in (128, *SIZES)] == [8, *(4 for _ in SIZES)]


def test_the_data_module_finds_them_with_the_working_size(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path, train_size="auto", batch_size="auto", image_size=96)
    data.setup()
    assert next(iter(data.train_dataloader()))["X"].shape == (8, 3, 48, 48)


@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 60), channels=st.sampled_from([1, 3]))
def test_random_crop_has_its_size_whatever_the_image(height: int, width: int, size: int, channels: int) -> None:
    crop = random_crop(np.zeros((height, width, channels), np.uint16), size, np.random.default_rng(0))
    assert crop.shape == (size, size, channels)
    assert crop.dtype == np.uint16


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    size=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    rotation=st.floats(0.5, 180),
)
def test_turned_crop_has_its_size_whatever_the_image(
    height: int, width: int, size: int, channels: int, rotation: float
) -> None:
    image = np.full((height, width, channels), 60_000, np.uint16)
    crop = turned_crop(image, size, rotation, np.random.default_rng(0))
    assert crop.shape == (size, size, channels)
    assert crop.dtype == np.uint16
    assert (crop == 60_000).all(), "every pixel comes from the image"


def test_a_turned_crop_is_a_square_of_the_image_at_any_angle_up_to_the_range() -> None:
    """The pixels are their own coordinates: those of a crop are turned by one angle, and never leave the image."""
    image = np.stack([*np.mgrid[:200, :200], np.zeros((200, 200))], -1).astype(np.uint16) * 100
    angles = []
    for seed in range(200):
        crop = turned_crop(image, 64, 50, np.random.default_rng(seed)).astype(float) / 100
        down, right = np.gradient(crop[..., 0]), np.gradient(crop[..., 1])
        inner = np.s_[2:-2, 2:-2]
        for part in (*down, *right):
            assert np.ptp(part[inner]) < 0.3, "even steps, except for OpenCV's 1/32 px: no reflection, no border"
        angles.append(np.degrees(np.arctan2(down[1][inner].mean(), down[0][inner].mean())))
        assert np.hypot(down[1][inner].mean(), down[0][inner].mean()) == pytest.approx(1, abs=0.01), "the scale stays"
    assert min(angles) >= -50.1 and max(angles) <= 50.1
    assert np.std(angles) == pytest.approx(100 / np.sqrt(12), rel=0.1), "all angles are equally likely"
