"""Detectors on features: what they share is that their buffers get their shapes when they learn."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.coreset import Progress, random_subset


class Learnt(nn.Module):
    """A module whose buffers named in `LEARNT` are empty until it learns, and of any shape in a checkpoint."""

    LEARNT: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        for name in self.LEARNT:
            self.register_buffer(name, torch.empty(0))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self.LEARNT:
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def drawn(features: Iterable[Tensor], images: int, size: int, seed: int, progress: Progress | None) -> Tensor:
    """At most about `size` vectors (n, C) float32 from maps (1, C, h', w') of `images` images, equally many from each.

    `progress(done, images)` is called after each map. ValueError without maps.
    """
    generator, found = torch.Generator().manual_seed(seed), []
    share = -(-size // max(1, images))
    for done, each in enumerate(features, 1):
        found.append(random_subset(each[0].flatten(1).T.float().clone(), share, generator))
        if progress is not None:
            progress(done, images)
    if not found:
        raise ValueError("there is no normal image to learn from")
    return torch.cat(found)
