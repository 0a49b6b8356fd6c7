"""Tiny modules and images for tests of exports."""

import numpy as np
import torch
from conftest import scoring, small_module
from numpy.typing import NDArray

from anomaly_lab.exported import metadata
from anomaly_lab.module import AnomalyModule

SIZE = (48, 40)
RECORD = {name: (kind if isinstance(kind, type) else kind[0])() for name, kind in metadata.FIELDS.items()} | {
    "format": metadata.FORMAT,
    "height": SIZE[0],
    "width": SIZE[1],
}


def module_of(**changes: object) -> AnomalyModule:
    """A module whose threshold splits random images, in tiles and at another scale than stored."""
    preprocessing = {"scale": 0.5, "contrast": "category", "mean": 0.5, "std": 0.18}
    options = {"scoring": scoring("squared", tile=16), "preprocessing": preprocessing, "min_area": 12}
    torch.manual_seed(0)
    module = small_module(**options | changes).eval()
    module.threshold.fill_(0.08)
    return module


def pictures(count: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """(count, H, W, 3) uint8: noise with smooth spots of all sizes."""
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (count, *size, 3))
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = np.sin(rows / 5)[None] * np.cos(columns[None] / random.integers(2, 9, (count, 1, 1)))
    return (0.3 * noise + 90 + 90 * waves[..., None]).clip(0, 255).astype(np.uint8)
