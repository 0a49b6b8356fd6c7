"""Pairs of a normal image X and its corrupted copy X_hat, with the mask M of the corruption: for training and for validation.

A training sample follows from the seed and its key (epoch, number, size) alone. The batches carry the keys to the workers. So
the samples are the same bit for bit with any number of workers, and when a training resumes.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import albumentations as A
import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.crops import random_crop, turned_crop
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.preprocessing import to_tensor

FLIPS = {"horizontal_flip": A.HorizontalFlip, "vertical_flip": A.VerticalFlip, "rotate90": A.RandomRotate90}


class Key(NamedTuple):
    """What determines a training sample, besides the seed."""

    epoch: int
    number: int  # counts the samples of the whole training from 0
    size: int  # side of the crop in pixels, 0 for the whole image


def corrupted_pair(X: np.ndarray, corruption: LocalCorruption, rng: np.random.Generator) -> dict[str, Tensor]:
    """(h, w, 3) float32 in [0, 1] → {"X", "X_hat": (3, h, w), "M": (1, h, w)}, float32 in [0, 1]; `rng` gives one seed."""
    corruption.set_random_seed(int(rng.integers(2**31)))
    corrupted = corruption(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
    return {"X": to_tensor(X), "X_hat": to_tensor(corrupted["image"]), "M": to_tensor(corrupted["mask"])}


class TrainingSamples(Dataset):
    """Random crops of normal images with their corrupted copies.

    `samples[Key(epoch, number, size)]` → the `corrupted_pair` of a crop with the side `size`, or of the whole image for 0.
    `flips`: names in `FLIPS`; each is applied with probability ½. `rotation`: crops are turned by a random angle in
    [−rotation, rotation] degrees.
    """

    def __init__(
        self, images: DecodedImages, corruption: LocalCorruption, flips: Sequence[str], seed: int, rotation: float
    ) -> None:
        self.images, self.corruption, self.seed, self.rotation = images, corruption, seed, rotation
        self.flips = [FLIPS[name](p=0.5) for name in flips]

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, key.epoch, key.number])
        image, levels = self.images[self.image_of(key)]
        crop = turned_crop(image, key.size, self.rotation, rng) if self.rotation else random_crop(image, key.size, rng)
        X = self.images.preprocessing.unit(crop, levels)
        # Each flip is seeded anew for each sample: workers fork albumentations' own generator and replay it in each epoch. Not
        # by A.Compose, which gives all its transforms the same seed: two flips would always come together.
        for flip in self.flips:
            flip.set_random_seed(int(rng.integers(2**31)))
            X = flip(image=X)["image"]
        return corrupted_pair(np.ascontiguousarray(X), self.corruption, rng)

    def image_of(self, key: Key) -> int:
        """The place of the key's image: every len(images) consecutive numbers use each image once, in a random order."""
        round_, place = divmod(key.number, len(self.images))
        return int(_order(self.seed, round_, len(self.images))[place])


@functools.lru_cache(maxsize=4)
def _order(seed: int, round_: int, images: int) -> np.ndarray:
    return np.random.default_rng([seed, round_]).permutation(images)


class Batches(Sampler[list[Key]]):
    """The keys of `steps` batches per epoch, `batch_size` keys each. Both functions are called in the main process.

    - `position()` → (epoch, steps already done in it): more than 0 steps where a training resumes in the middle of an epoch.
    - `size(step)` → side of the crops in pixels; `step` is the batch's number in the whole training, from 0.
    """

    def __init__(
        self, steps: int, batch_size: int, position: Callable[[], tuple[int, int]], size: Callable[[int], int]
    ) -> None:
        self.steps, self.batch_size, self.position, self.size = steps, batch_size, position, size

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, done = self.position()
        for step in range(epoch * self.steps + done, (epoch + 1) * self.steps):
            start, size = step * self.batch_size, self.size(step)
            yield [Key(epoch, number, size) for number in range(start, start + self.batch_size)]


class ValidationPairs(Dataset):
    """Held-out normal images, whole, at the working scale, with fixed corruptions, so that epochs can be compared.

    `pairs[i]` → the `corrupted_pair` of image i // variants: each image has `variants` corruptions.
    """

    def __init__(self, images: DecodedImages, corruption: LocalCorruption, variants: int, seed: int) -> None:
        self.images, self.corruption, self.variants, self.seed = images, corruption, variants, seed

    def __len__(self) -> int:
        return len(self.images) * self.variants

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        X = self.images.preprocessing.unit(*self.images[i // self.variants])
        return corrupted_pair(X, self.corruption, np.random.default_rng([self.seed, i]))
