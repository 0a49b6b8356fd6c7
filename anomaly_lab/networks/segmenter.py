"""A small U-Net that marks pixels: (B, C, h, w) → logits (B, h, w). Any image size."""

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 16  # of the innermost layer; inputs are enlarged to multiples of it


def _block(inputs: int, *outputs: int) -> nn.Sequential:
    """3×3 convolutions with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for before, after in zip((inputs, *outputs), outputs, strict=False):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Segmenter(nn.Module):
    """Four levels with skip connections, the first at half resolution. `width`: filters of the first level, 16: 0.29 M weights.

    The input is standardised over the training by a batch normalisation without weights: the network sees the images of the
    whole category on one scale, and each image's own light stays visible.
    """

    def __init__(self, width: int, channels: int = 3) -> None:
        super().__init__()
        w = width
        self.standard = nn.BatchNorm2d(channels, affine=False)
        self.first = nn.Sequential(nn.Conv2d(channels, w, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(w), nn.ReLU())
        self.down = nn.ModuleList([_block(w, w), _block(w, 2 * w, 2 * w), _block(2 * w, 4 * w, 4 * w)])
        self.bottom = _block(4 * w, 4 * w, 4 * w, 4 * w)
        self.up = nn.ModuleList([_block(8 * w, 4 * w), _block(6 * w, 2 * w), _block(3 * w, w)])
        self.last = nn.Conv2d(w, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → logits (B, h, w)."""
        height, width = x.shape[-2:]
        x = functional.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        full = x.shape[-2:]
        x, kept = self.first(self.standard(x)), []
        for level in self.down:
            x = level(x)
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for level, skip in zip(self.up, reversed(kept), strict=True):
            x = level(torch.cat([skip, functional.interpolate(x, scale_factor=2, mode="bilinear")], 1))
        logits = functional.interpolate(self.last(x).float(), size=full, mode="bilinear")
        return logits[:, 0, :height, :width]
