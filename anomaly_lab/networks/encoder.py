"""A feature encoder: one vector for each patch of the image, from a classifier's maps of strides 8 and 16."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.networks.efficientnet_lite import EfficientNetLite0

STRIDE = 8  # pixels of a patch's side


class Encoder(nn.Module):
    """(B, 3, H, W) in [0, 1] → (B, C, ⌈H/8⌉, ⌈W/8⌉): the map of stride 16, enlarged, beside that of stride 8.

    The maps are EfficientNet-Lite0's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.channels = sum(self.backbone.channels)

    def forward(self, X: Tensor) -> Tensor:
        fine, coarse = self.backbone(X)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear")
        return torch.cat([fine, coarse[..., : fine.shape[-2], : fine.shape[-1]]], 1)
