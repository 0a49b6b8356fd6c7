"""Overlays and sheets: where colour, outlines and boxes are, and the size of what is drawn."""

import matplotlib
import numpy as np
import pytest

from anomaly_lab.show.overlay import CELL, CYAN, MARGIN, OPAQUE, cell, overlay, sheet


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_is_where_the_heatmap_is_and_a_box_around_the_mask(channels: int, dtype: type) -> None:
    image = np.full((60, 80, channels), np.iinfo(dtype).max // 2, dtype)
    heatmap = np.zeros((60, 80), np.float32)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    heatmap[mask] = 2.0
    drawn = overlay(image, heatmap, mask, [(30, 20, 20, 20)], 2.0)
    assert drawn.shape == (60, 80, 3) and drawn.dtype == np.uint8
    assert np.ptp(drawn[5, 5].astype(int)) == 0 and abs(int(drawn[5, 5, 0]) - 127) <= 1, "grey stays where nothing is unusual"
    assert np.ptp(drawn[30, 40].astype(int)) > 30, "the brightest colour of magma is a light yellow"
    assert tuple(drawn[20, 40]) == CYAN and tuple(drawn[18, 40]) == (255, 255, 255)


def test_nothing_unusual_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 1), dtype=np.uint8)
    drawn = overlay(image, np.zeros((8, 9), np.float32), np.zeros((8, 9), bool), [], 0.0)
    assert (drawn == image).all()


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (5, 2, 4)])
def test_a_sheet_has_a_cell_for_each_picture(count: int, rows: int, columns: int) -> None:
    drawn = sheet([cell(np.full((10 + i, 400, 3), 50, np.uint8), f"ü {i}") for i in range(count)])
    assert drawn is not None
    assert drawn.shape == (rows * (CELL + MARGIN), columns * (CELL + 8), 3)
    assert (drawn[CELL // 2, 4 + CELL // 2] == 50).all() and drawn[CELL + MARGIN // 2].min() < 128, "picture and text"


def test_no_cell_makes_no_sheet() -> None:
    assert sheet([]) is None


def test_strips_of_a_large_image_together_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    image, heatmap = random.integers(0, 256, (50, 30, 3), np.uint8), random.random((50, 30)).astype(np.float32)
    whole = overlay(image, heatmap, heatmap > 0.9, [], 1.0)
    monkeypatch.setattr("anomaly_lab.show.overlay.STRIP", 30 * 7)
    assert (overlay(image, heatmap, heatmap > 0.9, [], 1.0) == whole).all()


def test_the_colours_are_matplotlibs_magma() -> None:
    levels = np.arange(256, dtype=np.float32)[None] / 255
    drawn = overlay(np.zeros((1, 256, 1), np.uint8), levels, np.zeros((1, 256), bool), (), 1.0)
    expected = 255 * OPAQUE * levels[0, :, None] * matplotlib.colormaps["magma"](np.arange(256))[:, :3]
    assert np.abs(drawn[0] - expected).max() < 1
