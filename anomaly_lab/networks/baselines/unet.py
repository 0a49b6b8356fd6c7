"""A U-Net that RIAD, FAIR and NSA share: (B, c_in, H, W) → (B, c_out, H, W), without a last activation. Any image size.

Ronneberger, Fischer, Brox, "U-Net", 2015, with batch normalisation, four levels, and sums of bilinear and skip paths
concatenated.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.networks.sdc_autoencoder import conv_block, pad_to_stride

LEVELS = 4  # the innermost has stride 8


class UNet(nn.Module):
    """`width`: filters of the first level; they double with each level. With 16: 0.44 M weights."""

    def __init__(self, c_in: int, c_out: int, width: int) -> None:
        super().__init__()
        filters = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(
            nn.Sequential(conv_block(before, after), conv_block(after, after))
            for before, after in zip((c_in, *filters), filters, strict=False)
        )
        self.up = nn.ModuleList(conv_block(filters[i] + filters[i + 1], filters[i]) for i in reversed(range(LEVELS - 1)))
        self.last = nn.Conv2d(width, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x, kept = pad_to_stride(x), []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for block, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            x = block(torch.cat([skip, functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)], 1))
        with torch.autocast(x.device.type, enabled=False):
            return self.last(x.float())[..., :height, :width]
