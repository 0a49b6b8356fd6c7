"""AE_L2 and AE_SSIM: a convolutional autoencoder with a narrow bottleneck.

Bergmann, Löwe, Fauser, Sattlegger, Steger, "Improving unsupervised defect segmentation by applying structural similarity to
autoencoders", VISAPP 2019; also the baseline of MVTec AD. Layers and latent size are those of its Table 1; the loss is the
squared error (objective=l2) or 1 − SSIM (objective=ssim), and the map is the same as the loss.

Simplifications: the latent is of any size `latent` (the paper: 100); objects are seen at `side` pixels too (the paper: 256); a
sigmoid keeps F(X) in [0, 1]; the maps of overlapping tiles are not averaged, but the tiles of F(X) are blended.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

SHRINKS = 16  # the encoder before the bottleneck shrinks its input by this factor
SLOPE = 0.2  # of leaky ReLU below 0
# (filters, kernel, stride) of the encoder's layers at width 1; the decoder has them in reverse order
LAYERS = ((32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1))


def require_side(side: int) -> None:
    """ValueError unless the encoder can shrink an image of this side."""
    if not isinstance(side, int) or side < SHRINKS or side % SHRINKS:
        raise ValueError(f"model.side is {side}: it must be a multiple of {SHRINKS} pixels")


def filters_of(width: float) -> list[tuple[int, int, int]]:
    """`LAYERS` with this factor on the filters."""
    return [(max(1, round(width * filters)), kernel, stride) for filters, kernel, stride in LAYERS]


def encoder(width: float) -> nn.Sequential:
    """(B, 3, side, side) → (B, C, side / 16, side / 16)."""
    layers: list[nn.Module] = []
    c_in = 3
    for filters, kernel, stride in filters_of(width):
        layers += [nn.Conv2d(c_in, filters, kernel, stride, 1), nn.LeakyReLU(SLOPE)]
        c_in = filters
    return nn.Sequential(*layers)


def decoder(latent: int, width: float, side: int) -> nn.Sequential:
    """(B, latent, 1, 1) → logits (B, 3, side, side)."""
    all_filters = filters_of(width)
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent, all_filters[-1][0], side // SHRINKS), nn.LeakyReLU(SLOPE)]
    for i in reversed(range(len(all_filters))):
        filters, kernel, stride = all_filters[i]
        c_out = all_filters[i - 1][0] if i else 3
        if stride == 1:
            layers.append(nn.Conv2d(filters, c_out, kernel, 1, 1))
        else:
            layers.append(nn.ConvTranspose2d(filters, c_out, kernel, stride, 1))
        layers.append(nn.LeakyReLU(SLOPE))
    return nn.Sequential(*layers[:-1])


def initialised(network: nn.Module) -> None:
    """He's initialisation for leaky ReLU, in place. Without it 18 layers without normalisation lose the signal: F stays grey.

    A transposed convolution of stride s sums (k/s)² values of each input channel; the first one of a decoder sees one value.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            share = 1.0 if isinstance(layer, nn.Conv2d) else 1 / layer.stride[0] ** 2
            fan = layer.in_channels * layer.kernel_size[0] ** 2 * share
            if isinstance(layer, nn.ConvTranspose2d) and layer.stride[0] == 1:
                fan = layer.in_channels
            nn.init.normal_(layer.weight, 0, (2 / (1 + SLOPE**2) / fan) ** 0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def resized(X: Tensor, side: int) -> Tensor:
    """X (B, 3, H, W) as squares of `side` pixels, (B, 3, side, side)."""
    if tuple(X.shape[-2:]) == (side, side):
        return X
    return functional.interpolate(X, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def at_side(network: Callable[[Tensor], Tensor], X: Tensor, side: int) -> Tensor:
    """network(X) for a network that takes squares of `side` pixels: images of another size are resized, and back after it."""
    size = X.shape[-2:]
    if tuple(size) == (side, side):
        return network(X)
    return functional.interpolate(network(resized(X, side)), size=size, mode="bilinear", align_corners=False)


class BottleneckAutoencoder(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same. All information passes through `latent` numbers for a square of `side` pixels.

    `width`: factor on the filters. ValueError for a `side` that is no multiple of 16.
    """

    def __init__(self, side: int, latent: int, width: float) -> None:
        super().__init__()
        require_side(side)
        self.side = side
        self.encoder = encoder(width)
        self.bottleneck = nn.Conv2d(filters_of(width)[-1][0], latent, side // SHRINKS)
        self.decoder = decoder(latent, width, side)
        initialised(self)

    def forward(self, X: Tensor) -> Tensor:
        return at_side(self._square, X, self.side)

    def _square(self, X: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(self.bottleneck(self.encoder(X))).float())
