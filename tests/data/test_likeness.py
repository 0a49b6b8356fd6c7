"""What is unlike the training images: quantities by hand, the ranges, and images that show nothing."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import texture

from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import NORMAL, Sample
from anomaly_lab.data.likeness import LOOK_AT, QUANTITIES, profile, quantities, unlike
from anomaly_lab.data.preprocessing import Preprocessing

RNG = np.random.default_rng(3)
IMAGE = texture(RNG, (64, 64))


def decoded(folder: Path, images: list[np.ndarray]) -> DecodedImages:
    samples = []
    for i, image in enumerate(images):
        samples.append(Sample(folder / f"{i}.png", NORMAL, None))
        cv2.imwrite(str(samples[-1].path), image)
    return DecodedImages(samples, Preprocessing())


def test_quantities_by_hand() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0], image[..., 1] = 204, 102
    assert quantities((30, 40), image) == pytest.approx({"size": 40, "brightness": 0.4, "color": 0.8, "sharpness": 0}, abs=1e-6)
    assert quantities((8, 8), np.full((8, 8, 1), 51, np.uint8))["color"] == 0
    assert quantities((8, 8), np.full((8, 8, 1), 65535, np.uint16))["brightness"] == 1


def test_strips_of_a_large_image_together_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 48, 3), np.uint8)
    unit = image.astype(np.float64) / 255
    grey = unit.mean(2)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    expected = {"brightness": unit.mean(), "color": np.ptp(unit, axis=2).mean(), "sharpness": fine.std() / (grey.std() + 0.01)}
    for rows in (5, 16, 1000):
        monkeypatch.setattr("anomaly_lab.data.likeness.STRIP", rows * 48)
        assert quantities((70, 48), image) == pytest.approx({"size": 70} | expected, rel=1e-5)


def test_the_profile_is_the_range_over_all_images(tmp_path: Path) -> None:
    images = [np.full((40, 20 + i), 50 * (1 + i), np.uint8) for i in range(3)]
    images[2][:, ::2] = 0
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    parts = [decoded(tmp_path / "a", images[:2]), decoded(tmp_path / "b", images[2:])]
    found, empty = profile(parts)
    assert list(found) == list(QUANTITIES)
    assert found["size"] == [40, 40]
    assert found["brightness"] == pytest.approx([50 / 255, 100 / 255])
    assert empty == 2, "two of one colour"


def test_a_few_hundred_images_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = decoded(tmp_path, [IMAGE])
    images.samples = images.samples * 5000
    looked = []
    monkeypatch.setattr(DecodedImages, "__getitem__", lambda self, i: looked.append(i) or (IMAGE, (0, 1)))
    profile([images])
    assert len(looked) == LOOK_AT
    assert (min(looked), max(looked)) == (0, 4999)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("size", lambda image: cv2.resize(image, (96, 96), interpolation=cv2.INTER_CUBIC)),
        ("size", lambda image: cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)),
        ("brightness", lambda image: image // 2),
        ("brightness", lambda image: 255 - (255 - image) // 2),
        ("color", lambda image: np.repeat(image.mean(2, keepdims=True), 3, 2).astype(np.uint8)),
        ("sharpness", lambda image: (image + RNG.normal(0, 30, image.shape)).clip(0, 255).astype(np.uint8)),
    ],
)
def test_what_lies_beyond_is_named_and_the_like_is_not(
    tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    known, empty = profile([decoded(tmp_path, [texture(RNG, (64, 64)) for _ in range(6)])])
    assert empty == 0
    assert unlike(quantities((64, 64), texture(RNG, (64, 64))), known) == ()
    image = change(IMAGE)
    assert name in unlike(quantities(image.shape[:2], image), known)


@pytest.mark.parametrize(("size", "odd"), [(79, True), (80, False), (250, False), (251, True)])
def test_the_bounds_of_size(size: int, odd: bool) -> None:
    known = {"size": [100.0, 200.0], "brightness": [0.4, 0.6], "color": [0.0, 0.0], "sharpness": [0.2, 0.3]}
    seen = {"size": size, "brightness": 0.5, "color": 0, "sharpness": 0.25}
    assert unlike(seen, known) == (("size",) if odd else ())


@pytest.mark.parametrize(("brightness", "odd"), [(0.24, True), (0.26, False), (0.74, False), (0.76, True)])
def test_the_bounds_of_brightness(brightness: float, odd: bool) -> None:
    """Half of the range's width, .1, and .05."""
    known = {"size": [64.0, 64.0], "brightness": [0.4, 0.6], "color": [0.0, 0.0], "sharpness": [0.2, 0.3]}
    seen = {"size": 64, "brightness": brightness, "color": 0, "sharpness": 0.25}
    assert unlike(seen, known) == (("brightness",) if odd else ())
