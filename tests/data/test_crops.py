"""Sizes of crops and batches that follow from the working size."""

from pathlib import Path

import pytest
from conftest import small_data, write_category
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.data.crops import batch_size, crop_size
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


def test_what_is_given_is_taken_and_whole_images_count_by_their_own_size() -> None:
    assert [crop_size(given, 512) for given in (0, 96)] == [0, 96]
    assert batch_size(3, 256, 512) == 3
    assert [batch_size("auto", 0, image_size) for image_size in (128, *SIZES)] == [8, *(4 for _ in SIZES)]


def test_the_data_module_finds_them_with_the_working_size(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    data = small_data(tmp_path, train_size="auto", batch_size="auto", image_size=96)
    data.setup()
    assert next(iter(data.train_dataloader()))["X"].shape == (8, 3, 48, 48)
