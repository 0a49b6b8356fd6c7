"""Normal images in other light: test images may be lit differently or come from other batches than the held-out ones."""

import math

import torch
from torch import Tensor

COPIES = 2  # copies in other light of each held-out image
CONTRAST, BRIGHTNESS = 0.3, 0.14  # largest changes: contrast by a factor of e^±0.3, brightness by ±0.14


def in_other_light(X: Tensor, contrast: float, brightness: float) -> Tensor:
    """X in [0, 1] plus `brightness`, stretched around 0.5 by the factor `contrast` and clipped to [0, 1]."""
    return (0.5 + contrast * (X - 0.5 + brightness)).clamp(0, 1)


def lit_differently(X: Tensor, random: torch.Generator) -> list[Tensor]:
    """`COPIES` copies of X (3, h, w), each in random light."""
    draws = (2 * torch.rand(COPIES, 2, generator=random) - 1).tolist()
    return [in_other_light(X, math.exp(CONTRAST * c), BRIGHTNESS * b) for c, b in draws]
