"""Image scores, computed by hand."""

import torch

from anomaly_lab.scoring.poolings import maximum, mean_top


def test_poolings_by_hand() -> None:
    heatmap = torch.arange(20.0).view(4, 5)[:, torch.tensor([4, 0, 3, 1, 2])]
    assert maximum(heatmap).item() == 19
    assert mean_top(heatmap, share=0.1).item() == (19 + 18) / 2
    assert mean_top(heatmap, share=1.0).item() == 9.5


def test_the_mean_of_the_top_has_at_least_one_pixel() -> None:
    assert mean_top(torch.tensor([[0.0, 3.0]]), share=1e-6).item() == 3
