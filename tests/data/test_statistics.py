"""Statistics of normal images with known periods, directions and colours."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.statistics import (
    FINEST_PERIOD,
    LOOK_AT,
    REACH,
    SIZES,
    Seen,
    evenly,
    fine_period,
    look,
    mean_and_std,
    mean_color,
    orientation_spread,
    rotation_range,
    working_size,
)


def stored(folder: Path, *images: np.ndarray) -> list[Seen]:
    """Write RGB images, and look at them."""
    return look(written(folder, *images))


def written(folder: Path, *images: np.ndarray) -> list[Sample]:
    """Write RGB or grey images, and return them as samples."""
    samples = []
    for i, image in enumerate(images):
        path = folder / f"{i}.png"
        assert cv2.imwrite(str(path), image[..., ::-1].copy() if image.ndim == 3 else image)
        samples.append(Sample(path, "good", None))
    return samples


def stripes(period: float, size: tuple[int, int] = (256, 256), angle: float = 0.0, shading: float = 0.0) -> np.ndarray:
    """Grey sinusoidal stripes; `shading` is the amplitude of light with one period over the image."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    place = columns * np.cos(angle) + rows * np.sin(angle)
    light = shading * np.cos(2 * np.pi * rows / size[0])
    return (127 + 60 * np.sin(2 * np.pi * place / period) + light).round().astype(np.uint8)


@pytest.mark.parametrize("period", [3, 4, 6, 8, 12, 20])
@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2])
def test_the_period_of_stripes(tmp_path: Path, period: float, angle: float) -> None:
    """In any direction."""
    assert fine_period(stored(tmp_path, stripes(period, angle=angle))) == pytest.approx(period, rel=0.12)


@pytest.mark.parametrize("size", [(256, 900), (600, 200), (1100, 1100), (131, 97)])
def test_the_period_does_not_depend_on_the_images_size(tmp_path: Path, size: tuple[int, int]) -> None:
    assert fine_period(stored(tmp_path, stripes(10, size))) == pytest.approx(10, rel=0.12)


@pytest.mark.parametrize("size", [(32, 32), (32, 400), (33, 47)])
def test_the_period_in_tiny_images(tmp_path: Path, size: tuple[int, int]) -> None:
    """With few pixels, the frequency resolution is low: the period is roughly right."""
    fine, coarse = (fine_period(stored(tmp_path, stripes(period, size))) for period in (4, 10))
    assert fine == pytest.approx(4, rel=0.3)
    assert coarse == pytest.approx(10, rel=0.5)


def test_slow_variation_of_light_does_not_count(tmp_path: Path) -> None:
    (plain,) = stored(tmp_path, stripes(6))
    expected = fine_period([plain])
    (shaded,) = stored(tmp_path, stripes(6, shading=60))
    assert fine_period([shaded]) == pytest.approx(expected, rel=0.1)


def test_images_count_alike_whatever_their_contrast(tmp_path: Path) -> None:
    """Two strong images have a coarse period and four faint ones a fine period: the majority decides."""
    faint = (127 + (stripes(5).astype(float) - 127) / 20).round().astype(np.uint8)
    samples = stored(tmp_path, stripes(16), stripes(16), faint, faint, faint, faint)
    assert fine_period(samples) < 6


def test_the_finer_the_texture_the_larger_the_size(tmp_path: Path) -> None:
    longest = 256
    sizes = []
    for period in (40, 8, 6.5, 5.5, 2.5):
        size, why = working_size(stored(tmp_path, stripes(period)), longest)
        assert size in SIZES
        # the texture's period at the working scale is what the network needs, or the size is the largest there is
        assert size * period / longest > 0.85 * FINEST_PERIOD or size == SIZES[-1]
        assert str(longest) in why
        sizes.append(size)
    assert sizes == sorted(sizes)
    assert sizes[0] == SIZES[0]
    assert sizes[-1] == SIZES[-1]
    assert len(set(sizes)) >= 4


def test_a_texture_too_fine_for_any_size_is_named(tmp_path: Path) -> None:
    size, why = working_size(stored(tmp_path, stripes(3)), 256)
    assert size == SIZES[-1]
    assert "largest offered" in why
    _, why = working_size(stored(tmp_path, stripes(30)), 256)
    assert "largest offered" not in why


@pytest.mark.parametrize(("size", "expected"), [((32, 32), 256), ((200, 300), 320), ((512, 512), 512), ((90, 900), 512)])
def test_images_without_texture_stay_as_they_are_stored(tmp_path: Path, size: tuple[int, int], expected: int) -> None:
    """float32 rounds some values; rounding errors are no texture."""
    for value in (0, 7, 100, 255):
        assert working_size(stored(tmp_path, np.full(size, value, np.uint8)), max(size))[0] == expected


def test_flat_images_do_not_drown_the_others(tmp_path: Path) -> None:
    samples = stored(tmp_path, *[np.full((256, 256), 100, np.uint8)] * 3, stripes(5))
    assert fine_period(samples) == pytest.approx(5, rel=0.12)


def test_mean_and_std_by_hand(tmp_path: Path) -> None:
    """The standard deviation is that within an image: two flat images of different grey have none."""
    half = np.zeros((4, 4, 3), np.uint8)
    half[:2] = 255
    assert mean_and_std(stored(tmp_path, half)) == (pytest.approx(0.5), pytest.approx(0.5))
    dark, light = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    mean, std = mean_and_std(stored(tmp_path, dark, light))
    assert mean == pytest.approx(0.5)
    assert std == pytest.approx(0.5 / REACH), "their values are not clipped all the same"


def test_mean_color_is_that_of_the_prepared_images(tmp_path: Path) -> None:
    images = [np.full((8, 8, 3), color, np.uint8) for color in ((255, 0, 0), (0, 51, 102))]
    samples = written(tmp_path, *images)
    assert mean_color(DecodedImages(samples, Preprocessing(), True)) == pytest.approx([0.5, 0.1, 0.2])
    stretched = Preprocessing(contrast="category", mean=0.5, std=0.36, spread=0.18)  # x ↦ ½ + (x − ½)/2
    assert mean_color(DecodedImages(samples, stretched, False)) == pytest.approx([0.5, 0.3, 0.35])
    assert all(type(value) is float for value in mean_color(DecodedImages(samples, Preprocessing(), False)))


@pytest.mark.parametrize("count", [1, 2, LOOK_AT, LOOK_AT + 1, 200])
def test_images_are_looked_at_evenly_spread(count: int) -> None:
    picked = evenly(count)
    assert len(picked) == len(set(picked)) == min(count, LOOK_AT)
    assert picked[0] == 0
    assert picked[-1] == count - 1
    steps = np.diff(picked).tolist()
    assert max(steps, default=0) - min(steps, default=0) <= 1


def turned(*degrees: float) -> list[np.ndarray]:
    """Stripes of several periods in the given directions."""
    return [stripes(6 + i % 4, angle=np.radians(d)) for i, d in enumerate(degrees)]


@pytest.mark.parametrize(
    ("degrees", "spread"), [([30, 30, 30, 30], 0), ([0, 4], 4), ([10, 40], 30), ([-80, 80], 20), ([0, 90], 90), ([5, 184], 1)]
)
def test_how_far_images_are_turned_against_each_other(tmp_path: Path, degrees: list[float], spread: float) -> None:
    """Stripes at −80° and 80° are 20° apart, since a direction is the same after half a turn."""
    assert orientation_spread(stored(tmp_path, *turned(*degrees))) == pytest.approx(spread, abs=1.5)


def test_one_image_in_sixteen_that_lies_across_decides_nothing(tmp_path: Path) -> None:
    assert orientation_spread(stored(tmp_path, *turned(*[0] * 15, 90))) == pytest.approx(0, abs=1)


def test_images_without_direction_may_be_turned_any_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grain = [rng.integers(0, 256, (128, 128), dtype=np.uint8) for _ in range(8)]
    assert rotation_range(stored(tmp_path, *grain))[0] == 180


def test_flat_images_and_a_single_one_are_not_turned(tmp_path: Path) -> None:
    assert orientation_spread(stored(tmp_path, np.full((64, 64), 90, np.uint8), np.full((64, 64), 9, np.uint8))) == 0
    assert rotation_range(stored(tmp_path, stripes(8)))[0] == 0


def test_the_range_is_what_is_seen_or_any_direction(tmp_path: Path) -> None:
    few, why = rotation_range(stored(tmp_path, *turned(0, 3, 1)))
    assert few == pytest.approx(3, abs=1) and "turned by up to" in why
    assert rotation_range(stored(tmp_path, *turned(0, 50, 100)))[0] == 180
