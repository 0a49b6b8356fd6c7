"""From stored pixels to the network's input: by hand on small images."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.data.images import resize, to_unit
from anomaly_lab.data.preprocessing import STRIDE, Preprocessing, to_tensor


def noise(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng([height, width])
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_without_contrast_and_scale_the_pixels_are_only_divided(channels: int, dtype: type) -> None:
    image = noise(20, 30, channels, dtype)
    before = image.copy()
    prepared = Preprocessing()(image)
    assert prepared.dtype == np.float32
    assert prepared.shape == (20, 30, 3)
    np.testing.assert_allclose(prepared, np.broadcast_to(image / np.iinfo(dtype).max, (20, 30, 3)), atol=1e-6)
    assert np.array_equal(image, before)


def test_contrast_of_the_category_by_hand() -> None:
    """Grey levels 0.4 and 0.5; the category's mean is 0.4 and its standard deviation 0.1."""
    image = np.array([[[102], [102 + 25.5]]]).round().astype(np.uint8)
    prepared = Preprocessing(contrast="category", mean=0.4, std=0.1, spread=0.18).unit(image, (0.4, 0.1))
    expected = 0.5 + 1.8 * (image[..., 0] / 255 - 0.4)
    np.testing.assert_allclose(prepared, np.repeat(expected[..., None], 3, 2), atol=1e-6)


def test_contrast_of_the_category_is_the_same_map_for_every_image() -> None:
    prepare = Preprocessing(contrast="category", mean=0.3, std=0.2)
    assert prepare.levels(noise(8, 8)) == prepare.levels(np.zeros((9, 9, 1), np.uint8)) == (0.3, 0.2)


@given(low=st.integers(0, 200), spread=st.integers(2, 55), dtype=st.sampled_from([np.uint8, np.uint16]))
def test_contrast_of_the_image_brings_each_to_the_same_mean_and_spread(low: int, spread: int, dtype: type) -> None:
    """However dark or faint an image is: unless clipped, its mean becomes one half and its standard deviation `spread`."""
    factor = 257 if dtype is np.uint16 else 1
    image = (factor * (low + noise(40, 40).astype(int) % spread)).astype(dtype)
    prepared = Preprocessing(contrast="image", spread=0.1)(image)
    assert prepared.mean() == pytest.approx(0.5, abs=1e-3)
    assert prepared.std() == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("contrast", ["none", "category", "image"])
@pytest.mark.parametrize("value", [0, 77, 255])
def test_flat_images(contrast: str, value: int) -> None:
    """Their standard deviation is 0, and still one finite value comes out: mid grey where the contrast is the image's own."""
    prepared = Preprocessing(contrast=contrast, mean=0.2, std=0.05)(np.full((16, 16, 3), value, np.uint8))
    assert np.isfinite(prepared).all()
    assert np.ptp(prepared) < 1e-6
    if contrast == "image":
        np.testing.assert_allclose(prepared, 0.5, atol=1e-3)


@pytest.mark.parametrize("contrast", ["none", "category", "image"])
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.floats(0.05, 3),
    std=st.floats(1e-3, 0.3),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
def test_the_output_has_the_announced_size_type_and_range(
    contrast: str, height: int, width: int, scale: float, std: float, channels: int, dtype: type
) -> None:
    """Any image becomes three channels of float32 in [0, 1], at the size that `size` announces."""
    prepare = Preprocessing(scale, contrast, mean=0.4, std=std)
    prepared = prepare(noise(height, width, channels, dtype))
    assert prepared.shape == (*prepare.size((height, width)), 3)
    assert prepared.dtype == np.float32
    assert prepared.min() >= 0
    assert prepared.max() <= 1


@given(height=st.integers(8, 3000), width=st.integers(8, 3000), scale=st.floats(0.01, 4))
def test_the_aspect_ratio_stays(height: int, width: int, scale: float) -> None:
    """To half a pixel per side, and no side falls below the network's stride."""
    for side, resized in zip((height, width), Preprocessing(scale).size((height, width)), strict=True):
        assert isinstance(resized, int)
        assert resized == STRIDE if side * scale < STRIDE - 0.5 else abs(resized - side * scale) <= 0.5


def test_resized_keeps_type_and_channels() -> None:
    image = noise(30, 50, 1, np.uint16)
    resized = Preprocessing(0.5).fitted(image)[0]
    assert resized.dtype == np.uint16
    assert np.array_equal(resized, resize(image, (15, 25)))


def test_resizing_comes_before_the_stretch() -> None:
    """A crop that is stretched with the whole image's levels equals the crop of the prepared image: training and test agree."""
    image = noise(64, 48)
    prepare = Preprocessing(0.5, "image")
    small = prepare.fitted(image)[0]
    levels = prepare.levels(small)
    values = to_unit(small)
    assert levels == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert np.array_equal(prepare.unit(small[5:20, 3:9], levels), prepare(image)[5:20, 3:9])


@pytest.mark.parametrize("contrast", ["none", "category", "image"])
def test_it_can_be_rebuilt_from_its_primitive_values(contrast: str) -> None:
    """A checkpoint stores it in this form."""
    prepare = Preprocessing(0.75, contrast, 0.3, 0.1)
    record = asdict(prepare)
    assert all(type(value) in (float, int, str, bool) for value in record.values())
    again = Preprocessing(**record)
    assert again == prepare
    assert np.array_equal(again(noise(20, 20)), prepare(noise(20, 20)))


def test_an_unknown_contrast_is_refused() -> None:
    with pytest.raises(ValueError, match="histogram"):
        Preprocessing(contrast="histogram")


def test_to_tensor_puts_channels_first() -> None:
    image = np.random.default_rng(0).random((4, 5, 3), np.float32)
    tensor = to_tensor(image)
    assert tensor.is_contiguous()
    assert all(torch.equal(tensor[c], torch.from_numpy(image[..., c].copy())) for c in range(3))


@pytest.mark.parametrize(
    ("rescale", "expected"),
    [(1.0, (300, 200)), (2.0, (150, 100)), (0.5, (600, 400)), ("training", (90, 60)), (1000, (1, 1))],
)
def test_rescaling_brings_images_to_the_training_s_resolution(rescale: float | str, expected: tuple[int, int]) -> None:
    """The training images were 90 px long, and a third of that at the working scale."""
    prepare = Preprocessing(1 / 3, rescale=rescale, longest=90)
    assert prepare.at_training_resolution((300, 200)) == expected
    assert prepare.size((300, 200)) == tuple(max(STRIDE, round(side / 3)) for side in expected)
    assert prepare.fitted(noise(300, 200))[0].shape[:2] == prepare.size((300, 200))
