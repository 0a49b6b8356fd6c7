"""A bank of fixed filters: what a texture looks like around each place, without any training.

Derivatives of Gaussians of several widths answer to edges, lines and spots. Answers of either sign are kept apart and averaged
around each place, so that a feature tells how much of a structure there is, and not where exactly. Such filter banks are the
classical texture features (Leung and Malik 2001, Varma and Zisserman 2005).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4  # pixels between features
OCTAVES = 4  # widths of 1, 2, 4 and 8 px
RADIUS = 4  # of the kernels, in pixels of their octave
AROUND = 16  # pixels to each side: the square of the local mean and of the local spread
LEAST = 0.02  # of the local spread: smaller structure is noise
COLOURS = (4, 16)  # pixels: sides of the squares over which colours are averaged
VIVID = 5  # factor on differences of colour, which are smaller than the answers


class FilterBank(nn.Module):
    """X (B, 3, H, W) in [0, 1] → features (B, 52, ⌈H/4⌉, ⌈W/4⌉): 12 averaged answers an octave, and two colours at two widths.

    The brightness has its local mean taken out, and is divided by its local spread: light changes the answers little.
    """

    reconstructs = False  # there is no F(X)
    stride = STRIDE
    reach = 96  # pixels that a feature looks around
    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", _kernels(), persistent=False)

    def begin(self, images: object) -> None:
        """It has no weights to load."""

    def encode(self, X: Tensor) -> Tensor:
        """X (B, 3, H, W) in [0, 1] → features (B, 52, ⌈H/4⌉, ⌈W/4⌉)."""
        rows, columns = (-(-side // STRIDE) for side in X.shape[-2:])
        step = 2 ** (OCTAVES - 1)
        X = F.pad(X, (0, -X.shape[-1] % step, 0, -X.shape[-2] % step), mode="replicate")
        y = in_even_light(X.mean(1))
        found = [self._answers(y, octave) for octave in range(OCTAVES)] + [VIVID * _colours(X)]
        return torch.cat(found, 1)[..., :rows, :columns]

    def features(self, vectors: Tensor) -> Tensor:
        """The features as they are."""
        return vectors

    def _answers(self, y: Tensor, octave: int) -> Tensor:
        """The mean answers (B, 12, H/4, W/4) of an image (B, H, W) to kernels of 2^octave px."""
        level = F.avg_pool2d(y[:, None], 2**octave) if octave else y[:, None]
        answer = F.conv2d(F.pad(level, [RADIUS] * 4, mode="replicate"), self.kernels)
        rectified = torch.cat([answer.relu(), (-answer).relu()], 1)
        stride = STRIDE // 2**octave
        if stride > 1:  # squares of 8 px
            return F.avg_pool2d(rectified, 2 * stride, stride, stride // 2, count_include_pad=False)
        mean = F.avg_pool2d(rectified, 3, 1, 1, count_include_pad=False)
        return mean if stride == 1 else F.interpolate(mean, scale_factor=2**octave // STRIDE, mode="bilinear")


def in_even_light(y: Tensor) -> Tensor:
    """y (B, H, W) without its local mean, over its local spread."""
    rest = y - _mean(y, AROUND)
    return rest / (_mean(rest.square(), AROUND).sqrt() + LEAST)


def _mean(y: Tensor, radius: int) -> Tensor:
    """The mean of the square of `radius` pixels to each side, or of what of it lies in the image."""
    side = 2 * radius + 1
    down = F.avg_pool2d(y[:, None], (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(down, (1, side), 1, (0, radius), count_include_pad=False)[:, 0]


def _colours(X: Tensor) -> Tensor:
    """Red against green and yellow against blue, averaged over squares of two sizes, (B, 4, H/4, W/4)."""
    red, green, blue = X.unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], 1)
    return torch.cat([F.avg_pool2d(opponents, s, STRIDE, (s - STRIDE) // 2, count_include_pad=False) for s in COLOURS], 1)


def _kernels() -> Tensor:
    """First and second derivatives of a Gaussian of 1 px, and its difference to one of 2 px, (6, 1, 9, 9)."""
    x = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    g, wide = (torch.exp(-0.5 * (x / sigma) ** 2) for sigma in (1, 2))
    g, wide = g / g.sum(), wide / wide.sum()
    first, second = -x * g, (x**2 - 1) * g
    second = second - second.mean()
    pairs = [(g, first), (first, g), (g, second), (first, first), (second, g)]
    found = [rows[:, None] * columns for rows, columns in pairs] + [g[:, None] * g - wide[:, None] * wide]
    return torch.stack(found)[:, None].float()
