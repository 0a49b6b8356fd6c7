"""Which images count as nearly the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.data import alike as module
from anomaly_lab.data.alike import alike


def texture(seed: int, side: int = 200) -> np.ndarray:
    noise = np.random.default_rng(seed).random((side, side), np.float32)
    image = cv2.GaussianBlur(noise, (0, 0), 6)
    return (255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)


def write(folder: Path, **images: np.ndarray) -> list[Path]:
    for name, image in images.items():
        suffix = ".jpg" if name.startswith("jpeg") else ".png"
        cv2.imwrite(str(folder / f"{name}{suffix}"), image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return [next(folder.glob(f"{name}.*")) for name in images]


@pytest.mark.parametrize("chunk", [1, 2, 512])
def test_copies_are_found_through_others_and_different_images_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    first, noise = texture(0), np.random.default_rng(9).normal(0, 5, (200, 200))
    noisy = np.clip(first + noise, 0, 255).astype(np.uint8)
    paths = write(
        tmp_path, other=texture(1), a=first, jpeg=first, noisy=noisy, small=cv2.resize(first, (120, 120)), b=texture(2)
    )
    assert alike(paths) == [0, 1, 1, 1, 1, 5]


def test_the_same_pattern_at_another_place_is_another_image(tmp_path: Path) -> None:
    paths = write(tmp_path, a=texture(0), b=np.roll(texture(0), 12, 1), c=texture(0)[::-1])
    assert alike(paths) == [0, 1, 2]


def test_none_and_one(tmp_path: Path) -> None:
    assert alike([]) == []
    assert alike(write(tmp_path, a=texture(0))) == [0]
