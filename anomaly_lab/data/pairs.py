"""Pairs of a normal image X and its corrupted copy X_hat, with the mask M of the corruption."""

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.preprocessing import to_tensor


def corrupted_pair(X: np.ndarray, corruption: LocalCorruption, seed: int) -> dict[str, Tensor]:
    """(h, w, 3) float32 in [0, 1] → {"X", "X_hat": (3, h, w), "M": (1, h, w)}, float32 in [0, 1].

    The corruption is drawn from `seed` alone.
    """
    corruption.set_random_seed(seed)
    corrupted = corruption(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
    return {"X": to_tensor(X), "X_hat": to_tensor(corrupted["image"]), "M": to_tensor(corrupted["mask"])}


class ValidationPairs(Dataset):
    """Held-out normal images, whole, with fixed corruptions, so that epochs can be compared.

    `pairs[i]` → {"X", "X_hat": (3, h, w), "M": (1, h, w)}, float32 in [0, 1], at the working scale. Each image has `variants`
    corruptions; pair i shows image i // variants.
    """

    def __init__(self, images: DecodedImages, corruption: LocalCorruption, variants: int, seed: int) -> None:
        self.images, self.corruption, self.variants, self.seed = images, corruption, variants, seed

    def __len__(self) -> int:
        return len(self.images) * self.variants

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        image, levels = self.images[i // self.variants]
        X = self.images.preprocessing.unit(image, levels)
        return corrupted_pair(X, self.corruption, int(np.random.default_rng([self.seed, i]).integers(2**31)))
