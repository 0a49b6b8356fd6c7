"""The paper's network (Table 1): a fully convolutional autoencoder with stacked dilated convolutions (SDC).

Three poolings shrink the image eightfold. Four SDC layers see a context of hundreds of pixels. Three transposed convolutions
restore the size. There are no skip connections: all information passes through the bottleneck.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from anomaly_lab.networks import STRIDE
from anomaly_lab.networks.fast.dilated import DilatedConv2d
from anomaly_lab.networks.fast.folding import folded
from anomaly_lab.networks.fast.recompute import recomputed

RATES = (1, 2, 4, 8, 16)  # dilation rates of an SDC layer
SPREAD = 0.14  # standard deviation of a standardised image: ±3.6 deviations fit into [0, 1], the range of the sigmoid
LEAST_SPREAD = 0.02  # added to an image's own spread (as squares), so that noise in a nearly flat image is not stretched


def conv_block(c_in: int, c_out: int) -> nn.Sequential:
    """3×3 convolution, batch normalisation (which has the bias), ReLU: (B, c_in, H, W) → (B, c_out, H, W)."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


def up_block(c_in: int, c_out: int) -> nn.Sequential:
    """3×3 transposed convolution of stride 2, batch normalisation, ReLU: (B, c_in, H, W) → (B, c_out, 2H, 2W)."""
    up = nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1, bias=False)
    return nn.Sequential(up, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class SDC(nn.Module):
    """SDC_{1,2,4,8,16}: five parallel 5×5 convolutions of one input, with these dilation `rates`; outputs concatenated.

    (B, C, h, w) → (B, len(rates)·filters, h, w). We read "stacked" as stacked along the channels: only parallel branches give
    the 5 × 64 = 320 channels of Table 1. Batch normalisation and ReLU follow each branch, as they follow every convolution.
    """

    def __init__(self, c_in: int, filters: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(DilatedConv2d(c_in, filters, 5, rate) for rate in rates)
        self.norm: nn.Module = nn.BatchNorm2d(filters * len(rates))  # it works per channel: one layer serves all branches

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(torch.cat([branch(x) for branch in self.branches], dim=1)), inplace=True)

    def fold(self) -> None:
        """Merge the normalisation into the branches, in place, for inference only."""
        norm, self.norm = self.norm, nn.Identity()
        assert isinstance(norm, nn.BatchNorm2d)
        parts = {name: value.chunk(len(self.branches)) for name, value in norm.state_dict().items() if value.ndim}
        for i, branch in enumerate(self.branches):
            assert isinstance(branch, DilatedConv2d)
            mean, var, weight, bias = (parts[name][i] for name in ("running_mean", "running_var", "weight", "bias"))
            branch.weight, branch.bias = fuse_conv_bn_weights(branch.weight, None, mean, var, norm.eps, weight, bias)


class Pointwise(nn.Conv2d):
    """A 1×1 convolution as a matrix product over the channels: (B, C, H, W) → (B, O, H, W), contiguous.

    For three output channels torch's own convolution takes four times as long on a CPU.
    """

    keeps_float32 = True  # `ForInference` leaves its weights in float32

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight[..., 0, 0], self.bias).permute(0, 3, 1, 2).contiguous()


class SDCAutoencoder(nn.Module):
    """F: [0, 1]^(n×m×3) → [0, 1]^(n×m×3). At width 1 it is Table 1, layer by layer (11.67 M parameters).

    It takes (B, 3, H, W) for any H, W ≥ 1 and returns the same shape. If a side is no multiple of 8, `pad_to_stride` pads the
    image, and the output is cropped.

    - `width`: factor > 0 (else ValueError) on all numbers of filters except the last. Cost and parameters grow with its square.
    - `checkpointing`: the backward pass recomputes activations. Only those at changes of the resolution are stored.
    - `standardize` (ours): see `standardised`. So the network need not learn brightness and contrast, and reconstructs images
      in other light as well.
    """

    def __init__(self, width: float, checkpointing: bool, standardize: bool) -> None:
        super().__init__()
        if not isinstance(width, int | float) or not width > 0:
            raise ValueError(f"model.width is {width}: it must be a positive number, such as 0.25")
        self.checkpointing, self.standardize = checkpointing, standardize

        c32, c64, c128, c256 = (max(1, round(n * width)) for n in (32, 64, 128, 256))
        self.encoder = nn.Sequential(  # output shapes for an input of 512 × 512 at width 1
            conv_block(3, c32),
            conv_block(c32, c32),  # 512 × 512 × 32
            nn.MaxPool2d(2),
            conv_block(c32, c64),
            conv_block(c64, c64),  # 256 × 256 × 64
            nn.MaxPool2d(2),
            conv_block(c64, c128),
            conv_block(c128, c128),  # 128 × 128 × 128
            nn.MaxPool2d(2),
            SDC(c128, c64, RATES),  # 64 × 64 × 320
            SDC(5 * c64, c64, RATES),
            SDC(5 * c64, c64, RATES),
            SDC(5 * c64, c64, RATES),
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

    def folded(self) -> nn.Module:
        """A copy for inference, without normalisation layers. It computes the same up to rounding."""
        return folded(self)

    def _table_1(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return torch.sigmoid(self.logits(pad_to_stride(x)))[..., :height, :width]

    def logits(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), of sides that are multiples of 8 → what the last layer gives, (B, C, H, W) float32."""
        x = self.features(x)
        # the signal is a small difference between F(X) and X, and bf16 has a mantissa of 8 bits: the end stays in float32
        with torch.autocast(x.device.type, enabled=False):
            return self.last(x.float())  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), of sides that are multiples of 8 → what the last layer sees, (B, C, H, W)."""
        if self.checkpointing and torch.is_grad_enabled():
            encoder, decoder = self.encoder, self.decoder
            for segment in (encoder[:3], encoder[3:6], encoder[6:9], encoder[9:], decoder[:4], decoder[4:7], decoder[7:]):
                x = recomputed(segment, x)
        else:
            x = self.decoder(self.encoder(x))
        return x


def pad_to_stride(x: Tensor) -> Tensor:
    """Pad (B, C, H, W) at the bottom and the right to multiples of 8, by reflection, or by repetition in too small images."""
    down, right = -x.shape[-2] % STRIDE, -x.shape[-1] % STRIDE
    if not (down or right):
        return x
    mode = "reflect" if down < x.shape[-2] and right < x.shape[-1] else "replicate"
    return F.pad(x, (0, right, 0, down), mode=mode)


def standardised(network: Callable[[Tensor], Tensor], X: Tensor) -> Tensor:
    """F(X), where `network` sees each image of X (B, C, H, W) with mean 0.5 and standard deviation `SPREAD`.

    Both are over channels and pixels. The output gets them back and is clipped to [0, 1]. So F(a·X + b) = a·F(X) + b within
    [0, 1], except for nearly flat images. In tiled testing an image here is one tile: mean and spread of the whole test image,
    which a defect changes less, gave worse results on three of four categories (experiments/choices.md).
    """
    mean, scale = light(X)
    return (mean + scale * (network(0.5 + (X - mean) / scale) - 0.5)).clamp(0, 1)


def light(X: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each image of X (B, C, H, W), and its standard deviation in units of `SPREAD`: (B, 1, 1, 1) each."""
    mean = X.mean((1, 2, 3), keepdim=True)
    return mean, (X.var((1, 2, 3), correction=0, keepdim=True) + LEAST_SPREAD**2).sqrt() / SPREAD
