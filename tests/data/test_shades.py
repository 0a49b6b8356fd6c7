"""What the values of a mask mean. Whole mask files: test_images.py."""

import numpy as np
import pytest

from anomaly_lab.data.shades import NUMBERED, OPEN, SOFT, meaning

COLUMNS = np.arange(96, dtype=np.uint8)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([0, 0, 255, 255], NUMBERED),
        ([0, 200, 255, 230], NUMBERED),
        (COLUMNS % 17, NUMBERED),
        ([0, 100, 255], OPEN),
        (COLUMNS, SOFT),
        (COLUMNS // 4 * 8 * (COLUMNS % 4 > 0), NUMBERED),
        (COLUMNS // 3, OPEN),
    ],
    ids=["two values", "all bright", "small numbers", "few values", "a slope", "steps apart", "narrow steps that touch"],
)
def test_each_kind_of_mask(row: list[int] | np.ndarray, expected: str) -> None:
    assert meaning(np.tile(np.array(row, np.uint8), (8, 1))) == expected
