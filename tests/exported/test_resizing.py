"""The graph's resizing equals OpenCV's, value for value."""

import numpy as np
import pytest
import torch

from anomaly_lab.data.images import resize
from anomaly_lab.exported.resizing import resized

EXACT = [
    ((64, 48), (32, 24)),  # both sides halved: half up
    ((64, 64), (32, 64)),
    ((60, 80), (20, 20)),  # ties of a whole factor
    ((96, 96), (16, 24)),
    ((96, 120), (72, 90)),
    ((20, 30), (32, 48)),
    ((33, 17), (64, 65)),
    ((8, 8), (100, 8)),
    ((64, 20), (32, 33)),  # one side shrinks, the other grows
    ((31, 17), (31, 17)),
]


@pytest.mark.parametrize(("old", "new"), EXACT)
def test_each_value_is_that_of_opencv(old: tuple[int, int], new: tuple[int, int]) -> None:
    image = np.random.default_rng(sum(old)).integers(0, 256, (*old, 3)).astype(np.uint8)
    found = resized(torch.from_numpy(image).permute(2, 0, 1)[None].float(), new)[0].permute(1, 2, 0)
    expected = resize(image, new)
    assert np.array_equal(found.numpy(), expected)
    assert image.shape == expected.shape or not np.array_equal(expected, 0 * expected)


@pytest.mark.parametrize(
    ("old", "new", "share"), [((1000, 700), (500, 277), 1e-4), ((90, 120), (64, 85), 1e-3), ((640, 480), (448, 336), 5e-3)]
)
def test_of_a_broken_factor_a_few_values_are_the_next_level(old: tuple[int, int], new: tuple[int, int], share: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*old, 1)).astype(np.uint8)
    found = resized(torch.from_numpy(image).permute(2, 0, 1)[None].float(), new)[0].permute(1, 2, 0)
    away = np.abs(found.numpy() - resize(image, new).astype(np.float32))
    assert away.max() <= 1 and (away > 0).mean() < share
