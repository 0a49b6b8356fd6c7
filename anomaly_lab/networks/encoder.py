"""A feature encoder: one vector for each patch of 8 × 8 pixels, from a classifier's maps of strides 8 and 16."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.networks.efficientnet_lite import EfficientNetLite0


class Encoder(nn.Module):
    """X (B, 3, H, W) in [0, 1] → vectors (B, 152, ⌈H/8⌉, ⌈W/8⌉).

    The two maps are EfficientNet-Lite0's. The map of stride 16 is enlarged and concatenated with the map of stride 8.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.channels = sum(self.backbone.channels)

    def forward(self, X: Tensor) -> Tensor:
        fine, coarse = self.backbone(X)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear")
        return torch.cat([fine, coarse[..., : fine.shape[-2], : fine.shape[-1]]], 1)
