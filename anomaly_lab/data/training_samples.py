"""Training samples: random crops of normal images with their corrupted copies, and the order in which they come.

A sample follows from the seed and its key (epoch, number, size) alone. The batches carry the keys to the workers. So the
samples are the same bit for bit with any number of workers, and when a training resumes.
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
from anomaly_lab.data.pairs import corrupted_pair

FLIPS = {"horizontal_flip": A.HorizontalFlip, "vertical_flip": A.VerticalFlip, "rotate90": A.RandomRotate90}


class Key(NamedTuple):
    """What determines a training sample, besides the seed.

    `number` counts the samples of the whole training from 0. `size` is the side of the crop in pixels, 0 for the whole image.
    """

    epoch: int
    number: int
    size: int


class TrainingSamples(Dataset):
    """Random crops of normal images with their corrupted copies.

    `samples[Key(epoch, number, size)]` → {"X", "X_hat": (3, s, s), "M": (1, s, s)}, float32 in [0, 1], with s = `size`; the
    whole image, (h, w) instead of (s, s), where `size` is 0.

    - `flips`: names in `FLIPS`; each is applied with probability ½.
    - `rotation`: crops are turned by a random angle in [−rotation, rotation] degrees.
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
        return corrupted_pair(np.ascontiguousarray(X), self.corruption, int(rng.integers(2**31)))

    def image_of(self, key: Key) -> int:
        """The place of the key's image: every len(images) consecutive numbers use each image once, in a random order."""
        round_, place = divmod(key.number, len(self.images))
        return int(_order(self.seed, round_, len(self.images))[place])


@functools.lru_cache(maxsize=4)
def _order(seed: int, round_: int, images: int) -> np.ndarray:
    return np.random.default_rng([seed, round_]).permutation(images)


class Batches(Sampler[list[Key]]):
    """The keys of `steps` batches per epoch, `batch_size` keys each.

    - `position()` → (epoch, steps already done in it): more than 0 steps where a training resumes in the middle of an epoch.
    - `size(step)` → side of the crops in pixels; `step` is the batch's number in the whole training, from 0.

    Both functions are called in the main process.
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
