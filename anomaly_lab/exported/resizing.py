"""`data.images.resize` for 8-bit images in tensor operations, so that an exported graph can begin at stored pixels.

OpenCV computes each kind of resizing in a number format of its own. The same formats are used here, so that the results are
equal. Where a shrinking factor is no whole number, sums run in another order: a value in the middle between two grey levels can
be rounded to the other one. For most factors that is one value in 10⁴ or none; for 10/7, three in a thousand.
"""

import torch
from torch import Tensor

UNIT = 2**11  # OpenCV's weights of a linear interpolation are whole numbers of 1/2048


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """`image` (B, C, h, w) float32, whole numbers in [0, 255], at `size` = (height, width): shrunk by areas, then enlarged."""
    height, width = image.shape[-2:]
    smaller = min(height, size[0]), min(width, size[1])
    if smaller != (height, width):
        image = shrunk(image, smaller)
    return image if smaller == size else enlarged(image, size)


def shrunk(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The mean over the area of each new pixel, rounded: half to even, but half up if both sides are halved."""
    height, width = image.shape[-2:]
    (rows, per_row), (columns, per_column) = _areas(height, size[0]), _areas(width, size[1])
    mean = (rows @ image @ columns.T) * (1 / (per_row * per_column))
    return (mean + 0.5).floor() if (2 * size[0], 2 * size[1]) == (height, width) else mean.round()


def enlarged(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear interpolation, in OpenCV's whole numbers. Along rows the border repeats; along columns so do its weights."""
    left, right, low, high = _neighbours(image.shape[-1], size[1], stop=True)
    whole = image.to(torch.int32)
    across = (whole[..., left] * low + whole[..., right] * high) // 16
    above, below, low, high = _neighbours(image.shape[-2], size[0], stop=False)
    down = (across[..., above, :] * low[:, None]) // 2**16 + (across[..., below, :] * high[:, None]) // 2**16
    return ((down + 2) // 4).to(image.dtype)


def _areas(old: int, new: int) -> tuple[Tensor, int]:
    """(matrix (new, old), divisor): shares of old pixels in new ones; for a whole factor counts, and it."""
    factor = old / new
    begin, pixel = torch.arange(new, dtype=torch.float64)[:, None] * factor, torch.arange(old, dtype=torch.float64)
    shared = (torch.minimum(begin + factor, pixel + 1) - torch.maximum(begin, pixel)).clamp_min(0)
    return (shared.float(), old // new) if old % new == 0 else ((shared / factor).float(), 1)


def _neighbours(old: int, new: int, stop: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each new pixel: its two old neighbours, and their weights in 1/`UNIT`. `stop`: at the border the first has all."""
    place = ((torch.arange(new, dtype=torch.float64) + 0.5) * (old / new) - 0.5).float()
    first = place.floor()
    share = place - first
    if stop:
        share = torch.where((first < 0) | (first >= old - 1), 0.0, share)
    weights = [(part * UNIT).round().to(torch.int32) for part in (1 - share, share)]
    low, high = (i.long().clamp(0, old - 1) for i in (first, first + 1))
    return low, high, weights[0], weights[1]
