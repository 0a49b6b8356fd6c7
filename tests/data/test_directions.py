"""Which images count as long parts in any direction."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import real_data

from anomaly_lab.data.directions import in_any_direction
from anomaly_lab.data.folder import Sample, scan
from anomaly_lab.data.statistics import LOOK_AT
from data.bolts import bolt
from data.test_statistics import stripes, written

ANY = [bolt(angle, seed=i) for i, angle in enumerate(range(0, 360, 36))]


def test_bolts_in_any_direction_are_aligned(tmp_path: Path) -> None:
    found, why = in_any_direction(written(tmp_path, *ANY))
    assert found and why == "long parts are turned by up to 144° against each other"


def test_one_odd_image_changes_nothing_but_two_do(tmp_path: Path) -> None:
    assert in_any_direction(written(tmp_path, *ANY[1:], stripes(20, (128, 128))))[0]
    assert not in_any_direction(written(tmp_path, *ANY[2:], stripes(20, (128, 128)), stripes(9, (128, 128))))[0]


def test_bolts_that_lie_alike_are_left(tmp_path: Path) -> None:
    found, why = in_any_direction(written(tmp_path, *(bolt(angle, seed=angle) for angle in range(0, 10, 2))))
    assert not found and "turned by up to" in why


def test_a_turn_by_half_counts(tmp_path: Path) -> None:
    """A spectrum does not see it; the thin end does."""
    assert in_any_direction(written(tmp_path, *(bolt(180 * (i % 2), seed=i) for i in range(8))))[0]


def bar(angle: float, seed: int) -> np.ndarray:
    """A part whose ends are alike."""
    image = 200 + np.random.default_rng(seed).normal(0, 3, (128, 128, 1)) + np.zeros(3)
    cv2.ellipse(image, (64, 64), (40, 12), angle, 0, 360, (60, 60, 60), -1)
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("middle", [0, 90])
def test_parts_with_ends_alike_are_not_turned_by_half(tmp_path: Path, middle: float) -> None:
    """Their direction has no sign. They count as turned only if their axes are."""
    assert not in_any_direction(written(tmp_path, *(bar(middle + i % 5 - 2, i) for i in range(12))))[0]
    assert in_any_direction(written(tmp_path, *(bar(15 * i, i) for i in range(12)))) == (
        True,
        "long parts are turned by up to 75° against each other",
    )


def round_part(i: int) -> np.ndarray:
    image = np.full((128, 128, 3), 200, np.uint8)
    cv2.ellipse(image, (64, 64), (40, 28), 25 * i, 0, 360, (60, 60, 60), -1)
    return image


def two_parts(i: int) -> np.ndarray:
    return cv2.resize(np.concatenate([bolt(30 * i), bolt(30 * i)]), (128, 256))


def cut_off(i: int) -> np.ndarray:
    """The bolt leaves the image."""
    return np.ascontiguousarray(bolt(25 * i)[44:84])


@pytest.mark.parametrize("image", [round_part, two_parts, cut_off, lambda i: stripes(20, (96, 96), i)])
def test_other_images_are_left(tmp_path: Path, image: Callable[[int], np.ndarray]) -> None:
    found, why = in_any_direction(written(tmp_path, *(image(i) for i in range(8))))
    assert not found and why == "the images do not show one long part each"


def test_no_more_images_are_read_than_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = written(tmp_path, *(stripes(20, (96, 96), i) for i in range(LOOK_AT)))
    for sample in samples[4:]:
        sample.path.unlink()
    assert not in_any_direction(samples)[0]
    assert not in_any_direction([Sample(samples[0].path, "good", None)])[0]


def test_of_the_real_sets_only_screws_are_aligned() -> None:
    root = real_data()
    if root is None:
        pytest.skip("real photographs are not here: set ANOMALY_LAB_REAL_DATA")
    found = {path.name: in_any_direction(scan(root, path.name).train)[0] for path in sorted(root.iterdir()) if path.is_dir()}
    assert found["screw_512"] and sum(found.values()) == 1, found
