"""Alignment of generated bolts whose direction and place are known."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.data import alignment
from anomaly_lab.data.alignment import align, aligned, back, coarse, find, fits, heat_back, part_of, way
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import prepared
from data.bolts import bolt


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1))[None]


@given(angle=st.floats(-180, 180), x=st.floats(56, 72), y=st.floats(56, 72))
def test_axis_and_middle_are_found(angle: float, x: float, y: float) -> None:
    part = part_of(bolt(angle, (x, y)))
    found = np.degrees(np.arctan2(float(part.axis[0, 1]), float(part.axis[0, 0])))
    assert abs((found - angle + 180) % 360 - 180) < 2
    length = part.ends[0, :, 1] - part.ends[0, :, 0]
    assert length.tolist() == pytest.approx([80, 24], abs=3)
    place = way(part, (128, 128))[0, :, 2] * 64 + 64
    assert place.tolist() == pytest.approx([x, y], abs=2)


@pytest.mark.parametrize("angle", [0, 37, 90, 179, -60, -135])
def test_every_bolt_becomes_the_same_image(angle: float) -> None:
    """Level, the tip to the right, in the middle."""
    expected, _ = aligned(bolt(0, seed=1))
    found, _ = aligned(bolt(angle, (60, 68), seed=1))
    differing = np.abs(found.astype(int) - expected.astype(int)).max(2) > 40
    assert differing.mean() < 0.03, "but for a line of pixels along the outline"
    assert found[64, 96].max() < 100 and found[56, 30].max() < 100 and found[50, 96].min() > 150


def test_in_a_tall_image_the_part_stands() -> None:
    found, _ = aligned(bolt(10, (50, 100), (200, 100)))
    assert found.shape == (200, 100, 3)
    assert found[125, 50].max() < 100 and found[66, 42].max() < 100 and found[130, 42].min() > 150


def test_a_large_image_is_found_on_blocks_and_turned_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 × 384 pixels: blocks of three, and a row too many for them."""
    image = cv2.resize(bolt(25), (384, 400), interpolation=cv2.INTER_LINEAR)
    whole, to = aligned(image)
    assert part_of(image).block == 3 and part_of(image).mask.shape[1:] == (133, 128)
    monkeypatch.setattr(alignment, "STRIP", 384 * 7)
    strips, again = aligned(image)
    assert torch.equal(to, again) and np.abs(strips.astype(int) - whole).max() <= 1


def test_16_bits_and_grey_stay_as_they_are() -> None:
    deep = bolt(50)[..., :1].astype(np.uint16) * 257
    found, _ = aligned(deep)
    shallow, _ = aligned(bolt(50)[..., :1])
    assert found.dtype == np.uint16 and found.shape == (128, 128, 1)
    assert np.abs(found / 257 - shallow.astype(float)).max() < 1.01


def test_the_background_is_even_beyond_the_part_s_surroundings() -> None:
    """A faint stain vanishes; what stands out like the part stays, wherever it is."""
    image = bolt(0)
    image[100:110, 20:40] -= 15  # faint
    found, _ = aligned(image)
    assert len(np.unique(found[95:120, 10:60].reshape(-1, 3), axis=0)) == 1
    image[100:110, 20:40] = 60
    found, to = aligned(image)
    assert (as_it_lies(found, to)[102:108, 24:36] < 100).all()


def as_it_lies(image: np.ndarray, to: torch.Tensor) -> np.ndarray:
    return back(tensor(image), to[None])[0].permute(1, 2, 0).numpy()


@given(angle=st.floats(-180, 180))
def test_back_is_the_way_back(angle: float) -> None:
    image = bolt(angle, (58, 70))
    found, to = aligned(image)
    near = cv2.dilate((image[..., 0] < 130).astype(np.uint8), np.ones((5, 5))) > 0
    away = np.abs(as_it_lies(found, to)[near] - image[near])
    assert away.mean() < 12, "two interpolations of an edge"


def test_heat_of_a_place_that_was_not_looked_at_is_the_lowest() -> None:
    """A quarter turn about a place off the middle: part of the image leaves the frame."""
    _, to = aligned(bolt(90, (50, 64)))
    heat = torch.rand(1, 2, 128, 128, generator=torch.Generator().manual_seed(0)) + 1
    found = heat_back(heat, to[None])
    lowest = heat.amin((2, 3))
    for k in range(2):
        unseen = found[0, k] == lowest[0, k]
        assert unseen[:, -12:].all() and not unseen[2:-2, :100].any()
    assert (back(heat, to[None])[..., -1] > lowest[..., None]).all(), "elsewhere the nearest value"


def test_an_image_that_would_lose_something_stays_as_it_is() -> None:
    """The part is longer than the image is wide; or there is none at all."""
    diagonal = np.full((128, 128, 3), 200, np.uint8)
    cv2.line(diagonal, (6, 6), (121, 121), (50, 50, 50), 4)
    for image, stays in ((bolt(45), False), (diagonal, True), (np.full((64, 96, 3), 7, np.uint8), True)):
        part = part_of(image)
        assert bool(fits(part, image.shape[:2])) != stays
        found, to = aligned(image)
        assert torch.equal(to, torch.eye(2, 3)) == stays
        assert np.array_equal(found, image) == stays


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 4000, 1), (4000, 3, 3), (1, 900, 3)])
def test_images_of_any_shape_pass(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found, to = aligned(image)
    assert found.shape == shape and torch.equal(to, torch.eye(2, 3)) == np.array_equal(found, image)


def test_a_part_with_ends_alike_points_to_the_right() -> None:
    bar = np.full((96, 96, 3), 210, np.uint8)
    cv2.ellipse(bar, (48, 48), (36, 9), 20, 0, 360, (40, 40, 40), -1)
    for image in (bar, np.ascontiguousarray(bar[::-1, ::-1])):
        part = part_of(image)
        assert part.axis[0, 0] > 0.9 and abs(float(part.skewness)) < alignment.CLEAR
    assert float(part_of(bolt(0)).skewness) > 0.2


def test_a_batch_is_aligned_as_each_image_alone() -> None:
    images = [bolt(angle, seed=i) for i, angle in enumerate((10, 100, -70))]
    images[2][:] = 9
    batch = torch.cat([tensor(image) for image in images])
    part = find(*coarse(batch))
    found = align(batch, part, way(part, (128, 128))).round()
    for i, image in enumerate(images):
        assert torch.equal(found[i], tensor(aligned(image)[0])[0])


def test_preprocessing_aligns_at_the_working_scale() -> None:
    image, prepare = cv2.resize(bolt(70), (256, 256)), Preprocessing(0.5, "category", 0.4, 0.2, align=True)
    small, to = prepare.fitted(image)
    expected, way_there = aligned(Preprocessing(0.5).fitted(image)[0])
    assert np.array_equal(small, expected) and to is not None and torch.equal(to, way_there)
    X, size, _, way_back = prepared(image, prepare)
    assert size == (256, 256) and way_back is not None and torch.equal(way_back, to)
    assert torch.equal(X[..., :, :], torch.from_numpy(prepare(image).transpose(2, 0, 1).copy()))
    assert Preprocessing(**asdict(prepare)) == prepare
    assert Preprocessing(0.5).fitted(image)[1] is None
