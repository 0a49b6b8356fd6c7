"""Components in tensor operations are OpenCV's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect
from anomaly_lab.exported import regions
from anomaly_lab.exported.regions import labels, large


def spiral(side: int) -> NDArray[np.bool_]:
    """One component whose ends lie side² / 2 steps apart."""
    mask, row, column, turn = np.zeros((side, side), bool), 0, 0, 0
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    length, rest = side - 1, 3
    mask[0, 0] = True
    while length > 0:
        for _ in range(length):
            row, column = row + steps[turn % 4][0], column + steps[turn % 4][1]
            mask[row, column] = True
        turn, rest = turn + 1, rest - 1
        if rest == 0:
            length, rest = length - 2, 2
    return mask


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1), height=st.integers(1, 20), width=st.integers(1, 20))
def test_small_components_go_and_all_else_stays(seed: int, share: float, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    masks = random.random((2, height, width)) < share
    for area in (1, 2, 5, 40):
        expected = np.stack([detect(mask.astype(np.float32), 0.5, area) for mask in masks])
        assert np.array_equal(large(torch.from_numpy(masks), area).numpy(), expected)


def test_labels_are_those_of_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.tensor([[[1, 0, 0, 1], [0, 1, 0, 1]], [[0, 0, 0, 0], [1, 1, 0, 0]]]).bool()
    assert labels(mask).tolist() == [[[6, 0, 0, 8], [0, 6, 0, 8]], [[0, 0, 0, 0], [6, 6, 0, 0]]]
    monkeypatch.setattr(regions, "LARGEST", 8)
    with pytest.raises(ValueError, match="an image has 8 pixels: an exported decision takes fewer than 8"):
        labels(mask)


def test_a_spiral_needs_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    mask, steps = torch.from_numpy(spiral(256))[None], []
    step = regions._step
    monkeypatch.setattr(regions, "_step", lambda *state: steps.append(1) or step(*state))
    assert len(labels(mask).unique()) == 2
    area = int(mask.sum())
    assert large(mask, area).equal(mask) and not large(mask, area + 1).any()
    assert len(steps) // 3 <= 12
