"""X of an image that is too large to be prepared as a whole: as float32 it takes four times the memory of the stored pixels."""

import numpy as np
import torch
from torch import Tensor

from anomaly_lab.data.preprocessing import Preprocessing, to_tensor

LARGEST = 2624**2  # pixels at the working scale; more are prepared and scored piece by piece


class Pieces:
    """X (3, h, w), made of `small` (h, w, C), uint8 or uint16 at the working scale. X[..., rows, columns] prepares a piece."""

    def __init__(self, small: np.ndarray, preprocessing: Preprocessing) -> None:
        self.small, self.preprocessing, self.levels = small, preprocessing, preprocessing.levels(small)
        self.shape = torch.Size((3, *small.shape[:2]))

    def __getitem__(self, index: tuple[object, slice, slice]) -> Tensor:
        """A piece (3, h', w'), float32 in [0, 1]."""
        return to_tensor(self.preprocessing.unit(self.small[index[1], index[2]], self.levels))
