"""A part in one direction: found on its background, turned until its long axis lies along the image, moved to the middle.

Only operations that can be exported are used, so that an exported file aligns a part as the training did.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COARSE = 128  # blocks along the longer side, on whose means the part is sought: grain and dust vanish
LEVELS = 64  # thresholds that are tried
# Skewness along the axis from which the ends of a part differ: screws have 0.07 to 0.25, drawn ellipses below 0.005.
CLEAR = 0.03
NEAR = 0.04  # of the longer side: half of the way on which the background fades beside the part
STRIP = 2**20  # pixels turned together: the places of a large image's pixels would fill the memory


class Part(NamedTuple):
    """Where the parts of B images (B, C, h, w) are, measured on blocks of `block` pixels, h' × w' of them.

    - `mask` (B, h', w'): 1 in blocks that show the part. - `background` (B, C): the background's colour, as the images' values.
    - `axis` (B, 2): (x, y), its long axis, of length 1, towards the thin end; to the right if the ends are alike.
    - `skewness` (B,): of the part along the axis, `CLEAR` or more if its ends differ.
    - `ends` (B, 2, 2): where the part begins and ends, in blocks, along the axis (x, y) and across, along (−y, x).
    - `spreads` (B, 2): standard deviations along the axis and across, in blocks.
    """

    mask: Tensor
    background: Tensor
    axis: Tensor
    skewness: Tensor
    ends: Tensor
    spreads: Tensor
    block: int


def coarse(images: Tensor) -> tuple[Tensor, int]:
    """(B, C, h, w) → the means of its blocks, (B, C, h', w'), and a block's side in pixels."""
    height, width = images.shape[-2:]
    block = max(1, min(max(height, width) // COARSE, height, width))
    return F.avg_pool2d(images, block), block


def find(means: Tensor, block: int) -> Part:
    """Find the part that stands out from the background, whose colour is the median of the outermost blocks. See `coarse`.

    A block shows the part if its distance from that colour exceeds Otsu's threshold. The axis is the direction of the largest
    second moment; the third moment, the skewness, tells its ends apart.
    """
    height, width = means.shape[-2:]
    outermost = border(means)
    background = outermost.sort(-1).values[..., outermost.shape[-1] // 2]
    distance = (means - background[..., None, None]).square().sum(1).sqrt()
    mask = (distance > _otsu(distance)[:, None, None]).to(means.dtype)
    count = mask.sum((1, 2)).clamp_min(1)
    x, y = torch.arange(width) + 0.5, torch.arange(height)[:, None] + 0.5
    right, down = (side - ((mask * side).sum((1, 2)) / count)[:, None, None] for side in (x, y))
    xx, yy, xy = ((mask * product).sum((1, 2)) / count for product in (right**2, down**2, right * down))
    double = torch.stack([xx - yy, 2 * xy], -1)  # points to twice the axis's angle
    length = double.square().sum(-1).sqrt()
    cosine = (double[:, 0] / length.clamp_min(1e-9)).clamp(-1, 1)
    axis = torch.stack([(0.5 + cosine / 2).sqrt(), torch.where(xy < 0, -1.0, 1.0) * (0.5 - cosine / 2).sqrt()], -1)
    along = right * axis[:, 0, None, None] + down * axis[:, 1, None, None]
    spreads = torch.stack([xx + yy + length, xx + yy - length], -1).div(2).clamp_min(0).sqrt()
    skewness = (mask * along**3).sum((1, 2)) / count / spreads[:, 0].clamp_min(1e-9) ** 3
    axis, skewness = torch.where(skewness[:, None] < -CLEAR, -axis, axis), torch.where(skewness < -CLEAR, -skewness, skewness)
    along, across = (a[:, 0, None, None] * x + a[:, 1, None, None] * y for a in (axis, _across(axis)))
    ends = torch.stack([_ends(mask, along), _ends(mask, across)], 1)
    return Part(mask, background, axis, skewness, ends, spreads, block)


def border(maps: Tensor) -> Tensor:
    """The outermost values of maps (…, h', w'), (…, n)."""
    return torch.cat([maps[..., 0, :], maps[..., -1, :], maps[..., 1:-1, 0], maps[..., 1:-1, -1]], -1)


def _across(axis: Tensor) -> Tensor:
    """(B, 2) turned by a quarter."""
    return torch.stack([-axis[:, 1], axis[:, 0]], -1)


def _ends(mask: Tensor, place: Tensor) -> Tensor:
    """(B, h', w') each → (B, 2): the lowest and the highest place in the mask; 0 and 0 where it is empty."""
    ends = torch.where(mask > 0, place, torch.inf).amin((1, 2)), torch.where(mask > 0, place, -torch.inf).amax((1, 2))
    return torch.stack([torch.where(end.isfinite(), end, 0.0) for end in ends], -1)


def _otsu(distance: Tensor) -> Tensor:
    """(B, h', w'), 0 or more → (B,): of `LEVELS` thresholds the one with the largest variance between the classes."""
    levels = distance.flatten(1).amax(1)[:, None] * torch.arange(LEVELS) / LEVELS
    above = (distance[:, None] > levels[..., None, None]).to(distance.dtype)
    share, sum_above = above.mean((2, 3)), (above * distance[:, None]).mean((2, 3))
    between = (sum_above - share * distance.mean((1, 2))[:, None]).square() / (share * (1 - share)).clamp_min(1e-9)
    return levels.gather(1, between.argmax(1, keepdim=True))[:, 0]


def fits(part: Part, size: tuple[int, int]) -> Tensor:
    """(B,): whether there is a part, and all that stands out lies within the aligned image of `size` (h, w)."""
    length = (part.ends[..., 1] - part.ends[..., 0] + 1) * part.block  # from the middle of a block to that of another
    room = torch.tensor([max(size), min(size)])
    return (part.spreads[:, 0] > part.spreads[:, 1]) & (length <= room).all(1)


def way(part: Part, size: tuple[int, int]) -> Tensor:
    """(B, 2, 3): where each place of the aligned images of `size` (h, w) comes from, both from −1 to 1 along x and y.

    The axis goes along the longer side, and the part's middle to the image's. An image that would lose some of what stands out
    stays as it is.
    """
    height, width = size
    axis, across = part.axis, _across(part.axis)
    middle = part.block * (part.ends.mean(2)[:, :1] * axis + part.ends.mean(2)[:, 1:] * across)
    x, y = (axis, across) if width >= height else (-across, axis)  # what goes along the aligned image's sides
    rows = [x[:, 0], y[:, 0] * height / width, 2 * middle[:, 0] / width - 1]
    columns = [x[:, 1] * width / height, y[:, 1], 2 * middle[:, 1] / height - 1]
    found = torch.stack([torch.stack(rows, -1), torch.stack(columns, -1)], 1)
    return torch.where(fits(part, size)[:, None, None], found, torch.eye(2, 3))


def align(images: Tensor, part: Part, to: Tensor) -> Tensor:
    """Images (B, C, h, w) whose parts are aligned on an even background; `to`: see `way`.

    Around what stands out, the background fades into its colour within twice `NEAR`: an edge there would be seen as a defect.
    """
    height, width = images.shape[-2:]
    reach = round(NEAR * max(part.mask.shape[1:]))
    near = F.max_pool2d(part.mask[:, None], 2 * reach + 1, 1, reach)
    near = F.avg_pool2d(F.pad(near, (reach, reach, reach, reach), "replicate"), 2 * reach + 1, 1)  # still 1 in the part
    near = F.interpolate(F.pad(near, (0, 1, 0, 1), "replicate"), scale_factor=float(part.block), mode="bilinear")
    near = torch.where(fits(part, (height, width))[:, None, None, None], near[..., :height, :width], 1.0)
    background = part.background[..., None, None]
    return _sampled(background + near * (images - background), to, "border")


def back(maps: Tensor, to: Tensor) -> Tensor:
    """Maps (B, K, h, w) of aligned images → of the images as they lie. Where nothing is known, the nearest value is taken."""
    return _sampled(maps, _inverse(to), "border")


def heat_back(heat: Tensor, to: Tensor) -> Tensor:
    """`back` for heatmaps: a place that no aligned image shows has the lowest value, since nothing was found there."""
    inverse = _inverse(to)
    seen = _sampled(torch.ones_like(heat[:, :1]), inverse, "zeros") > 0.5
    return torch.where(seen, _sampled(heat, inverse, "border"), heat.amin((2, 3), keepdim=True))


def _inverse(to: Tensor) -> Tensor:
    (a, b, x), (c, d, y) = (row.unbind(1) for row in to.unbind(1))
    rows = [d, -b, b * y - d * x], [-c, a, c * x - a * y]
    return torch.stack([torch.stack(row, -1) for row in rows], 1) / (a * d - b * c)[:, None, None]


def _sampled(images: Tensor, to: Tensor, beyond: str) -> Tensor:
    """The values of `images` (B, C, h, w) at the places `to`, bilinear; `beyond` the border as in `grid_sample`."""
    height, width = images.shape[-2:]
    to = to.to(images.device)
    x, y = (2 * torch.arange(side, device=to.device).add(0.5) / side - 1 for side in (width, height))
    across, down = to[:, None, None, :, 0] * x[:, None], to[:, None, None, :, 1] * y[:, None, None]
    rows = max(1, STRIP // width)
    strips = (across + down[:, top : top + rows] + to[:, None, None, :, 2] for top in range(0, height, rows))
    return torch.cat([F.grid_sample(images, places, padding_mode=beyond, align_corners=False) for places in strips], -2)


def part_of(image: np.ndarray) -> Part:
    """The part in one image, (h, w, C) uint8 or uint16. One channel after the other becomes float32, to save memory."""
    means = [coarse(_channel(image, c)) for c in range(image.shape[2])]
    return find(torch.cat([of_channel for of_channel, _ in means], 1), means[0][1])


def aligned(image: np.ndarray) -> tuple[np.ndarray, Tensor]:
    """(h, w, C) uint8 or uint16 → the aligned image of the same type, and the `way` (2, 3) to it."""
    part = part_of(image)
    to, found = way(part, image.shape[:2]), np.empty_like(image)
    for c in range(image.shape[2]):
        own = part._replace(background=part.background[:, c : c + 1])
        found[..., c] = align(_channel(image, c), own, to)[0, 0].round().numpy()
    return found, to[0]


def _channel(image: np.ndarray, c: int) -> Tensor:
    return torch.from_numpy(image[..., c].astype(np.float32))[None, None]
