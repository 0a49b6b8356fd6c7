"""Lengths and ratios by hand."""

import torch

from anomaly_lab.analyze.ratios import length, mean_color, ratio


def test_lengths_and_ratios_by_hand() -> None:
    E = torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    assert length(E).tolist() == [5.0, 0.0]
    found = ratio(torch.tensor([1.0, 1.0]), torch.tensor([4.0, 0.0]))
    assert found[0] == 0.25 and found[1].isnan(), "a ratio to nothing is no measurement"
    assert mean_color(E)[0].flatten().tolist() == [1.5, 2.0]
