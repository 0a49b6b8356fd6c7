"""Poolings: one anomaly score per image, from its heatmap. Choose one with scoring.pooling=NAME."""

from torch import Tensor


def maximum(heatmap: Tensor) -> Tensor:
    """The highest value of a heatmap (H, W): the one strongest defect decides. Returns a scalar."""
    return heatmap.max()


def mean_top(heatmap: Tensor, share: float) -> Tensor:
    """The mean of the highest `share` (0 to 1) of the pixels of a heatmap (H, W), at least one. Returns a scalar."""
    return heatmap.flatten().topk(max(1, round(share * heatmap.numel()))).values.mean()
