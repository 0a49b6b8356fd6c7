"""The paper's network, Table 1: a fully convolutional autoencoder around stacked dilated convolutions (SDC).

Three poolings shrink the image eightfold, four SDC blocks look at up to hundreds of pixels of context, three transposed
convolutions bring the size back. There are no skip connections: what comes out has passed through the bottleneck.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomaly_lab.networks.fast.dilated import DilatedConv2d
from anomaly_lab.networks.fast.recompute import recomputed

STRIDE = 8  # three 2×2 poolings


def conv_block(c_in: int, c_out: int) -> nn.Sequential:
    """3×3 convolution, batch normalisation, ReLU. The normalisation has a bias of its own, so the convolution has none."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


def up_block(c_in: int, c_out: int) -> nn.Sequential:
    """3×3 transposed convolution with stride 2 (exactly doubles the sides), batch normalisation, ReLU."""
    up = nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1, bias=False)
    return nn.Sequential(up, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class SDC(nn.Module):
    """SDC_{1,2,4,8,16}: five 5×5 convolutions with these dilation rates side by side on the same input, concatenated.

    (B, C, h, w) → (B, 5·filters, h, w). "Stacked" means stacked along the channels: only parallel branches give
    Table 1's 5 × 64 = 320 channels. Each branch is followed by batch normalisation and ReLU, as every convolution is.
    """

    def __init__(self, c_in: int, filters: int, rates: tuple[int, ...] = (1, 2, 4, 8, 16)) -> None:
        super().__init__()
        self.branches = nn.ModuleList(DilatedConv2d(c_in, filters, 5, rate) for rate in rates)
        self.norm = nn.BatchNorm2d(filters * len(rates))  # per channel, so one over all branches is one for each

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(torch.cat([branch(x) for branch in self.branches], dim=1)), inplace=True)


class Pointwise(nn.Conv2d):
    """A 1×1 convolution as a matrix product over the channels: (B, C, H, W) → (B, O, H, W), contiguous. On a processor, torch's
    own takes four times as long for three output channels."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight[..., 0, 0], self.bias).permute(0, 3, 1, 2).contiguous()


class SDCAutoencoder(nn.Module):
    """F: [0, 1]^(n×m×3) → [0, 1]^(n×m×3), Table 1 layer for layer at width 1 (11.67 M parameters).

    `width` multiplies every number of filters but the last: cost and parameters grow with its square.
    `checkpointing` keeps activations for the backward pass only where the resolution changes, and computes the others again.
    `standardize`, which is ours: Table 1 sees each input less its own mean and in units of its own spread, and both are
    restored behind it (`light.standardised`): brightness and contrast need not be learnt, and others than the training's are
    reconstructed as well.
    Takes (B, 3, H, W) of any H, W ≥ 1: sides that are no multiple of 8 are padded by reflection at the bottom and
    the right, and the output is cropped to the input's size.
    """

    def __init__(self, width: float = 1.0, checkpointing: bool = False, standardize: bool = False) -> None:
        super().__init__()
        if not isinstance(width, int | float) or not width > 0:
            raise ValueError(f"width must be positive, got {width}")

        self.checkpointing, self.standardize = checkpointing, standardize

        def filters(n: int) -> int:
            return max(1, round(n * width))

        c32, c64, c128, c256 = filters(32), filters(64), filters(128), filters(256)
        self.encoder = nn.Sequential(  # shapes for an input of 512 × 512 at width 1
            conv_block(3, c32),
            conv_block(c32, c32),  # 512 × 512 × 32
            nn.MaxPool2d(2),
            conv_block(c32, c64),
            conv_block(c64, c64),  # 256 × 256 × 64
            nn.MaxPool2d(2),
            conv_block(c64, c128),
            conv_block(c128, c128),  # 128 × 128 × 128
            nn.MaxPool2d(2),
            SDC(c128, c64),  # 64 × 64 × 320
            SDC(5 * c64, c64),
            SDC(5 * c64, c64),
            SDC(5 * c64, c64),
        )
        self.decoder = nn.Sequential(
            conv_block(5 * c64, c256),  # 64 × 64 × 256
            up_block(c256, c256),  # 128 × 128 × 256
            conv_block(c256, c256),
            conv_block(c256, c128),
            up_block(c128, c128),  # 256 × 256 × 128
            conv_block(c128, c128),
            conv_block(c128, c64),
            up_block(c64, c64),  # 512 × 512 × 64
            conv_block(c64, c64),
            conv_block(c64, c32),
        )
        self.last = Pointwise(c32, 3)  # no normalisation here: it "can lead to strong gridding effects"
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module is not self.last:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return standardised(self._table_1, x) if self.standardize else self._table_1(x)

    def _table_1(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to_stride(x)
        if self.checkpointing and torch.is_grad_enabled():
            encoder, decoder = self.encoder, self.decoder
            for segment in (encoder[:3], encoder[3:6], encoder[6:9], encoder[9:], decoder[:4], decoder[4:7], decoder[7:]):
                x = recomputed(segment, x)
        else:
            x = self.decoder(self.encoder(x))
        # bf16 has 8 bits of mantissa, and the signal is a small residual: the end stays in float32
        with torch.autocast(x.device.type, enabled=False):
            x = torch.sigmoid(self.last(x.float()))
        return x[..., :height, :width]


def pad_to_stride(x: Tensor) -> Tensor:
    """Pad (B, C, H, W) at the bottom and the right to multiples of 8: by reflection, or by the edge where it is too short."""
    down, right = -x.shape[-2] % STRIDE, -x.shape[-1] % STRIDE
    if not (down or right):
        return x
    mode = "reflect" if down < x.shape[-2] and right < x.shape[-1] else "replicate"
    return F.pad(x, (0, right, 0, down), mode=mode)


SPREAD = 0.14  # standard deviation of a standardised crop: ±3.6 of them fit into [0, 1], where a sigmoid ends
LEAST_SPREAD = 0.02  # of a crop, added as squares: one that is nearly flat is not stretched into noise


def standardised(network: Callable[[Tensor], Tensor], X: Tensor) -> Tensor:
    """F(X) of a network that sees each of X, (B, C, H, W), less its own mean and in units of its own spread, of channels and
    pixels pooled; both are restored behind it.

    So F(a·X + b) = a·F(X) + b within [0, 1], but for crops that are nearly flat. (Mean and spread of the whole image in their
    place, which a defect moves less, were worse on three of four categories: experiments/real_images.)
    """
    mean = X.mean((1, 2, 3), keepdim=True)
    scale = (X.var((1, 2, 3), correction=0, keepdim=True) + LEAST_SPREAD**2).sqrt() / SPREAD
    return (mean + scale * (network(0.5 + (X - mean) / scale) - 0.5)).clamp(0, 1)
