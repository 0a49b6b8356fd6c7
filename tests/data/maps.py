"""Pictures that are maps of themselves: red is the row, green the column, blue the number of the image.

So a crop tells where it comes from and how it is turned.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.preprocessing import Preprocessing

PLAIN = Preprocessing()  # neither resized nor stretched: value / 255


def map_of_itself(number: int, height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, number)], 2).astype(np.uint8)


def stored(folder: Path, images: list[np.ndarray], name: str = "image") -> list[Sample]:
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for i, image in enumerate(images):
        path = folder / f"{name}{i:03d}.png"
        assert cv2.imwrite(str(path), image[..., ::-1].copy())
        samples.append(Sample(path, "good", None))
    return samples


def pixels(X: Tensor) -> np.ndarray:
    """(3, h, w) in [0, 1] → (h, w, 3) of the stored values."""
    return (X * 255).round().int().permute(1, 2, 0).numpy()


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
