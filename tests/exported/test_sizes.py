"""Which images a graph takes."""

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.exported import sizes

FIXED = {"height": 48, "width": 40, "tile": 16}
OPEN = {"height": 0, "width": 0, "tile": 100}


def test_a_fixed_size_is_one_size() -> None:
    assert sizes.fits((48, 40), FIXED) and not sizes.fits((40, 48), FIXED)
    assert sizes.told(FIXED) == "images of 48 x 40 pixels (height x width)"


def test_an_open_side_is_a_multiple_of_32_from_a_tile_on() -> None:
    assert [side for side in range(5000) if sizes.fits((side, 128), OPEN)] == list(range(128, 4065, 32))
    assert "multiples of 32 from 128 to 4064 pixels" in sizes.told(OPEN)
    assert sizes.least(0) == sizes.least(16) == 64


def test_a_run_that_resizes_needs_a_fixed_size() -> None:
    sizes.require_open({"scale": 1.0, "rescale": 1.0})
    with pytest.raises(UserError, match=r"size is dynamic, but this run resizes its images \(scale 0.5, rescale 1.0\)"):
        sizes.require_open({"scale": 0.5, "rescale": 1.0})
    with pytest.raises(UserError, match="size is dynamic, but this run aligns its images: export it for each size"):
        sizes.require_open({"scale": 1.0, "rescale": 1.0, "align": True})
