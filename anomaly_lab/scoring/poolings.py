"""Poolings: from a heatmap to the image's anomaly score. Choose one with scoring.pooling=NAME."""

from torch import Tensor


def maximum(heatmap: Tensor) -> Tensor:
    """The highest value of a heatmap (H, W), a scalar: the strongest defect decides."""
    return heatmap.max()


def mean_top(heatmap: Tensor, share: float) -> Tensor:
    """The mean of the highest values of a heatmap (H, W), a scalar. `share`: of the pixels, in [0, 1]; at least one counts."""
    return heatmap.flatten().topk(max(1, round(share * heatmap.numel()))).values.mean()
