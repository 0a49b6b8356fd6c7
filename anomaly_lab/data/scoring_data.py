"""The images around a trained network: training and held-out normal images that scorers learn from, and images to score."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from anomaly_lab.data.copies import tell_copies
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Category, Sample, read, verify
from anomaly_lab.data.held_out import split
from anomaly_lab.data.images import image_size, read_image, read_mask, resize_mask
from anomaly_lab.data.known import Known, held_out_again
from anomaly_lab.data.likeness import quantities
from anomaly_lab.data.pieces import LARGEST, Pieces
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor
from anomaly_lab.data.statistics import evenly


class StoredImages(Dataset):
    """Whole images to be scored, prepared for the network one at a time; their sizes may differ.

    `images[i]` → "X": (3, h, w) float32 in [0, 1], at the working scale. "plain": it without alignment. "size": (H, W) of the
    stored image, after `Preprocessing.rescale`. "truth": (H, W) bool, True where a pixel is defective, all False for a normal
    image; None for a defective image without a mask. "seen": the image's `likeness.quantities`. "way": (2, 3), for
    `alignment.back`; None if nothing was aligned.
    UserError for a file that cannot be read, as in `read_image` and `read_mask`.
    """

    def __init__(self, samples: Sequence[Sample], preprocessing: Preprocessing) -> None:
        self.samples, self.preprocessing = list(samples), preprocessing

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> dict[str, object]:
        sample = self.samples[i]
        stored = read_image(sample.path)
        X, size, seen, way = prepared(stored, self.preprocessing)
        X = X[..., :, :]  # a test keeps the whole image: its pictures show it
        truth = torch.zeros(size, dtype=torch.bool) if sample.label == 0 else None
        if sample.mask is not None:
            truth = torch.from_numpy(resize_mask(read_mask(sample.mask, stored.shape[:2]), size))
        plain = X if way is None else to_tensor(self.preprocessing.unaligned(stored))
        return {"X": X, "plain": plain, "size": size, "truth": truth, "seen": seen, "way": way}


def prepared(
    stored: np.ndarray, preprocessing: Preprocessing
) -> tuple[Tensor | Pieces, tuple[int, int], dict[str, float], Tensor | None]:
    """A stored image, (H, W, C) uint8 or uint16 → X (3, h, w) in [0, 1] at the working scale, in pieces above `LARGEST`; (H, W)
    of its heatmap; its `likeness.quantities`; the way back to the image as it lies, see `StoredImages`."""
    size, (small, way) = preprocessing.at_training_resolution(stored.shape[:2]), preprocessing.fitted(stored)
    X: Tensor | Pieces = Pieces(small, preprocessing)
    if X.shape[1] * X.shape[2] <= LARGEST:
        X = X[..., :, :]
    return X, size, quantities(size, small), way


@dataclass(frozen=True)
class ScoringData:
    """One category, prepared as the training prepared it. Nothing is measured on the images anew."""

    found: Category
    train: DecodedImages  # normal images; none where only new images are scored
    validation: DecodedImages  # held-out normal images; the same holds
    test: Sequence[Sample]  # images to score
    image_size: int  # the longer side of the median image at the working scale, in pixels
    drawn_anew: bool = False  # the held-out images are not those of the training, whose images are not among these

    @property
    def held_out(self) -> list[Sample]:
        """The held-out normal images, on which the threshold is calibrated."""
        return self.validation.samples

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        """At most `count` held-out images, evenly spread: (place in `held_out`, (3, h, w) in [0, 1] at the working scale)."""
        return ((i, self.validation.whole(i)) for i in evenly(len(self.validation), count))

    def training_images(self, count: int | None = None) -> tuple[Iterator[Tensor], int]:
        """At most `count` training images, evenly spread (all for None), (3, h, w) in [0, 1]; and how many they are."""
        chosen = evenly(len(self.train), len(self.train) if count is None else count)
        return (self.train.whole(i) for i in chosen), len(chosen)


def scoring_data(
    reader: Mapping[str, Any],
    root: str,
    category: str,
    preprocessing: Preprocessing,
    share: float,
    seed: int,
    known: Known | None = None,
) -> ScoringData:
    """Find and check the files. UserError as for a training, except that the folder train may be missing.

    `known`: the images of the training. Those that it held out are held out again, whatever their names are now and whatever
    came to the folder since. Where its images are not there, `share` and `seed` draw anew.
    """
    found = read(reader, root, category, need_training=False)
    held_out, drawn_anew = held_out_again(found.train, found.root, known or Known()), False
    if held_out is None:
        drawn_anew = len(found.train) > 1
        held_out = split(found.train, share, seed)[1] if drawn_anew else []
    train = [sample for sample in found.train if sample not in held_out]
    verify([*held_out, *found.test])
    tell_copies(train, held_out, found.test)
    longest = [max(image_size(sample.path)) for sample in found.train or found.test]
    size = max(1, round(preprocessing.scale * int(np.median(longest)))) if longest else 0
    normal = DecodedImages(train, preprocessing), DecodedImages(held_out, preprocessing)
    return ScoringData(found, *normal, found.test, size, drawn_anew)
