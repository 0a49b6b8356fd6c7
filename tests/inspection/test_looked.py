"""What is seen in files: sizes, modes, brightness, masks; and that a bad file is a fault, not an error."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.data.folder import Sample
from anomaly_lab.inspect.looked import REGIONS, SIDE, TEST, TRAIN, look, look_at_mask, shades_of


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def sample(path: Path, mask: Path | None = None) -> Sample:
    return Sample(path, "hole" if mask else "good", mask)


RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (40, 60), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "mode"),
    [
        (GREY, "grey"),
        (np.dstack([GREY, GREY, GREY]), "grey in three channels"),
        (np.dstack([GREY, GREY, 255 - GREY]), "colour"),
        (GREY.astype(np.uint16) * 257, "grey, 16 bits"),
        (np.dstack([GREY, GREY, 255 - GREY, GREY]), "colour, with alpha"),
    ],
)
def test_modes(tmp_path: Path, pixels: np.ndarray, mode: str) -> None:
    found = look(sample(write(tmp_path / "a.png", pixels)), TRAIN)
    assert (found.mode, found.size, found.fault) == (mode, (40, 60), None)


def test_alpha_of_a_tiff(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tiff", np.dstack([GREY, GREY, 255 - GREY, np.full_like(GREY, 255)]))
    assert look(sample(path), TRAIN).mode == "colour, with alpha"


def test_brightness_and_sharpness_are_those_of_the_image(tmp_path: Path) -> None:
    from anomaly_lab.data.likeness import quantities

    pixels = RNG.integers(0, 255, (50, 30, 3), np.uint8)
    found = look(sample(write(tmp_path / "a.png", pixels)), TRAIN)
    known = quantities((50, 30), pixels)
    assert found.brightness == pytest.approx(known["brightness"], abs=1e-5)
    assert found.sharpness == pytest.approx(known["sharpness"], rel=1e-3)
    assert found.highest == pixels.max() / 255 and not found.empty


def test_a_large_image_keeps_little(tmp_path: Path) -> None:
    found = look(sample(write(tmp_path / "a.png", np.tile(GREY, (30, 30)))), TRAIN)
    assert found.size == (1200, 1800) and found.small is not None and found.small.nbytes == 2 * 64 * 64
    assert max(found.size) > SIDE and found.brightness == pytest.approx(GREY.mean() / 255, abs=2e-3)


@pytest.mark.parametrize("value", [0, 128])
def test_an_image_that_shows_nothing_is_empty(tmp_path: Path, value: int) -> None:
    assert look(sample(write(tmp_path / "a.png", np.full((32, 32), value, np.uint8))), TRAIN).empty


def test_a_bad_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "b.png").touch()
    for name in ("a.png", "b.png", "missing.png"):
        found = look(sample(tmp_path / name), TRAIN)
        assert found.fault and name in found.fault and found.small is None


def test_masks(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[2:6, 2:7], mask[20:30, 20:40] = 255, 255
    image = write(tmp_path / "a.png", GREY)
    found = look(sample(image, write(tmp_path / "m.png", mask)), TEST).mask
    assert found is not None and found.fault is None
    assert sorted(found.areas) == [20, 200] and found.share == 220 / 2400 and found.shades == 0
    empty = look_at_mask(write(tmp_path / "e.png", 0 * mask), (40, 60))
    assert (empty.fault, empty.share, empty.areas) == (None, 0.0, ())
    misfit = look_at_mask(tmp_path / "m.png", (60, 40))
    assert misfit.fault and "40 x 60 pixels" in misfit.fault
    soft = look_at_mask(write(tmp_path / "s.png", cv2.GaussianBlur(mask, (0, 0), 2)), (40, 60))
    assert soft.fault is None and soft.shades > 50
    open_ = mask.copy()
    open_[2:6, 2:7] = 100
    assert "which are defective is open" in str(look_at_mask(write(tmp_path / "o.png", open_), (40, 60)).fault)
    assert shades_of(np.array([0, 1, 2, 3])) == 0, "a mask that numbers its defects"


def test_a_mask_of_dots_keeps_some_areas(tmp_path: Path) -> None:
    dots = np.zeros((400, 400), np.uint8)
    dots[::4, ::4] = 255
    found = look_at_mask(write(tmp_path / "m.png", dots), (400, 400))
    assert REGIONS / 2 < len(found.areas) <= REGIONS and set(found.areas) == {1}
