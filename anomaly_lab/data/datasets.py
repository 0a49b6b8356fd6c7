"""The three data sets: corrupted training samples, held-out validation pairs, test images.

A training sample is drawn from (seed, epoch, number) alone. Nothing of it lives in a process: the batches' keys carry epoch,
number and size to the workers, so the samples are the same bit for bit with any number of workers, and after resuming.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import albumentations as A
import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.data.cache import ImageCache
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import image_size, read_image, read_mask
from anomaly_lab.data.preprocessing import Preprocessing

FLIPS = {"horizontal_flip": A.HorizontalFlip, "vertical_flip": A.VerticalFlip, "rotate90": A.RandomRotate90}


class Key(NamedTuple):
    """What determines a training sample, besides the seed: `number` counts the samples of the whole training from 0; `size` is
    the side of the crop in pixels, 0 for the whole image."""

    epoch: int
    number: int
    size: int


class Images:
    """Stored images at the working scale: decoded once on a machine with a cache, else once where they fit in memory,
    else at each use. `progress(done, total)` follows each that is decoded beforehand.

    `images[i]` is (image, levels): (h, w, C) uint8 or uint16, and what `Preprocessing.unit` stretches it with.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        in_memory: bool = False,
        cache: ImageCache | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.samples, self.preprocessing, self.cache = list(samples), preprocessing, cache
        self.kept: list[tuple[np.ndarray, tuple[float, float]]] | None = None
        if in_memory or cache is not None:
            self.kept = []
            for i in range(len(samples)):
                self.kept.append(self._load(i))
                if progress is not None:
                    progress(i + 1, len(samples))
        if cache is not None:
            cache.trim()

    def _load(self, i: int) -> tuple[np.ndarray, tuple[float, float]]:
        path = self.samples[i].path
        if self.cache is None:
            small = self._decoded(path)
        else:
            small = self.cache.get(path, self.preprocessing.size(image_size(path)), lambda: self._decoded(path))
        small = np.asarray(small)  # still mapped from the file, without the overhead of np.memmap's slices
        return small, self.preprocessing.levels(small)

    def _decoded(self, path: Path) -> np.ndarray:
        return self.preprocessing.resized(read_image(path))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[np.ndarray, tuple[float, float]]:
        return self.kept[i] if self.kept is not None else self._load(i)


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, C) → (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


class TrainingSamples(Dataset):
    """Random crops of normal images, turned by up to `rotation` degrees, flipped as the category permits, with their corrupted
    copies.

    `samples[Key(epoch, number, size)]` → {"X", "X_hat": (3, s, s), "M": (1, s, s)}, float32 in [0, 1].
    """

    def __init__(
        self, images: Images, corruption: LocalCorruption, flips: Sequence[str], seed: int, rotation: float = 0.0
    ) -> None:
        self.images, self.seed, self.rotation = images, seed, rotation
        self.flip = A.Compose([FLIPS[name](p=0.5) for name in flips])
        self.corrupt = corruption

    def __getitem__(self, key: Key) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, key.epoch, key.number])
        image, levels = self.images[self.image_of(key)]
        crop = turned_crop(image, key.size, self.rotation, rng) if self.rotation else random_crop(image, key.size, rng)
        X = self.images.preprocessing.unit(crop, levels)
        # albumentations' own generator is forked by workers and replayed each epoch: seeded anew for each sample
        for transform in self.flip.transforms:  # one by one: A.Compose gives all of them the same seed
            transform.set_random_seed(int(rng.integers(2**31)))
        X = np.ascontiguousarray(self.flip(image=X)["image"])
        self.corrupt.set_random_seed(int(rng.integers(2**31)))
        corrupted = self.corrupt(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
        return {"X": to_tensor(X), "X_hat": to_tensor(corrupted["image"]), "M": to_tensor(corrupted["mask"])}

    def image_of(self, key: Key) -> int:
        """The image behind a key: `Batches` count the samples of all epochs on, and each image comes once a round."""
        round_, place = divmod(key.number, len(self.images))
        return int(_order(self.seed, round_, len(self.images))[place])


@functools.lru_cache(maxsize=4)
def _order(seed: int, round_: int, images: int) -> np.ndarray:
    return np.random.default_rng([seed, round_]).permutation(images)


def random_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of `size` pixels; 0 means the whole image. An image that is too small is enlarged by reflection."""
    if size == 0:
        return image
    down, right = max(0, size - image.shape[0]), max(0, size - image.shape[1])
    if down or right:
        image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="symmetric")
    top = int(rng.integers(0, image.shape[0] - size + 1))
    left = int(rng.integers(0, image.shape[1] - size + 1))
    return image[top : top + size, left : left + size]


def turned_crop(image: np.ndarray, size: int, rotation: float, rng: np.random.Generator) -> np.ndarray:
    """A random square of `size` pixels whose sides are turned by up to `rotation` degrees, cut from inside of the image.

    What the square doesn't show is never made up, but where the image is too small for it and is enlarged by reflection.
    """
    angle = rng.uniform(-rotation, rotation)
    turn = np.radians(angle)
    side = int(np.ceil(size * (abs(np.cos(turn)) + abs(np.sin(turn)))))
    around = np.ascontiguousarray(random_crop(image, side, rng))
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1.0)
    matrix[:, 2] = matrix[:, 2] - (side - size) / 2
    turned = cv2.warpAffine(around, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return turned.reshape(size, size, -1)  # OpenCV drops a single channel's axis


class Batches(Sampler[list[Key]]):
    """`steps` batches of keys an epoch.

    `position` gives (epoch, steps already done), more than 0 of them where a training goes on in the middle of an epoch;
    `size` the side of the crops of a batch, from its number in the whole training. Both are asked in the main process.
    """

    def __init__(
        self,
        steps: int,
        batch_size: int,
        position: Callable[[], tuple[int, int]],
        size: Callable[[int], int],
    ) -> None:
        self.steps, self.batch_size, self.position, self.size = steps, batch_size, position, size

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, done = self.position()
        first = epoch * self.steps * self.batch_size
        for step in range(done, self.steps):
            start = first + step * self.batch_size
            size = self.size(epoch * self.steps + step)
            yield [Key(epoch, number, size) for number in range(start, start + self.batch_size)]


class ValidationPairs(Dataset):
    """Held-out normal images with fixed corruptions of another kind than the training's.

    `pairs[i]` → {"X", "X_hat": (3, h, w), "M": (1, h, w)}, float32 in [0, 1], whole images at the working scale. There are
    `variants` corruptions of each image: pair i is image i // variants.
    """

    def __init__(self, images: Images, corruption: LocalCorruption, variants: int, seed: int) -> None:
        self.images, self.corrupt, self.variants, self.seed = images, corruption, variants, seed

    def __len__(self) -> int:
        return len(self.images) * self.variants

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        image, levels = self.images[i // self.variants]
        X = self.images.preprocessing.unit(image, levels)
        self.corrupt.set_random_seed(int(np.random.default_rng([self.seed, i]).integers(2**31)))
        pair = self.corrupt(image=X, mask=np.zeros((*X.shape[:2], 1), np.float32))
        return {"X": to_tensor(X), "X_hat": to_tensor(pair["image"]), "M": to_tensor(pair["mask"])}


class StoredImages(Dataset):
    """Images to be scored, as they come, one at a time: sizes may differ.

    `images[i]` → {"X": (3, h, w) float32 at the working scale, "size": stored (H, W), "truth": (H, W) bool or None where the
    defect has no mask, "index": i}. A normal image's truth is all False.
    """

    def __init__(self, samples: Sequence[Sample], preprocessing: Preprocessing) -> None:
        self.samples, self.preprocessing = list(samples), preprocessing

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> dict[str, object]:
        sample = self.samples[i]
        stored = read_image(sample.path)
        size = (stored.shape[0], stored.shape[1])
        truth = None
        if sample.mask is not None:
            truth = torch.from_numpy(read_mask(sample.mask, size))
        elif sample.label == 0:
            truth = torch.zeros(size, dtype=torch.bool)
        return {"X": to_tensor(self.preprocessing(stored)), "size": size, "truth": truth, "index": i}
