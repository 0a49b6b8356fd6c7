"""`calibration.levels.detect` in tensor operations: connected components in a loop that ends when nothing changes.

Each pixel of the mask begins as a tree of its own. A step gives the root of each pixel's tree the highest label beside the
pixel, then shortens the ways to the roots. So components of any form need few steps: a spiral through 256² pixels needs 12.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 2**24  # pixels: float32, in which the pooling compares labels, holds the whole numbers up to here

State = tuple[Tensor, Tensor, Tensor]  # whether the last step changed anything; labels (B, H, W); the mask (B, H, W)


def large(mask: Tensor, min_area: int) -> Tensor:
    """The mask (B, H, W) without its 8-connected components of fewer than `min_area` pixels. ValueError for a huge image."""
    label = labels(mask).flatten(1)
    zeros = torch.zeros(label.shape[0], 1 + label.shape[1], device=label.device)
    area = zeros.scatter_add(1, label, torch.ones_like(label, dtype=zeros.dtype)).gather(1, label)
    return mask & (area >= min_area).view_as(mask)


def labels(mask: Tensor) -> Tensor:
    """A number for each pixel of the mask (B, H, W), the same in a component and in no other of its image; 0 outside."""
    pixels = mask.shape[-2] * mask.shape[-1]
    if pixels >= LARGEST:
        raise ValueError(f"an image has {pixels} pixels: an exported decision takes fewer than {LARGEST}")
    own = torch.arange(1, 1 + pixels, device=mask.device).view(mask.shape[-2:])
    state = mask.any(), torch.where(mask, own, 0), mask
    if torch.compiler.is_exporting():
        return torch.while_loop(lambda go, label, inside: go.clone(), _step, state)[1]  # type: ignore[no-any-return]
    while state[0]:
        state = _step(*state)
    return state[1]


def _step(go: Tensor, label: Tensor, inside: Tensor) -> State:
    near = F.max_pool2d(label[:, None].float(), 3, stride=1, padding=1)[:, 0].long()
    near, flat = torch.where(inside, near, 0).flatten(1), label.flatten(1)
    parent = torch.cat([torch.zeros_like(flat[:, :1]), flat], 1)  # of label 0, 1, 2 …
    parent = parent.scatter_reduce(1, flat, near, "amax", include_self=True)
    found = parent.gather(1, parent.gather(1, near)).view_as(label)
    return (found != label).any(), found, inside.clone()
