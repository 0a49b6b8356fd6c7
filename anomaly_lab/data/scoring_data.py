"""The images around a trained network: training and held-out normal images that scorers learn from, and images to score."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.images import image_size
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor
from anomaly_lab.data.reading import check, read, split
from anomaly_lab.data.statistics import evenly


@dataclass(frozen=True)
class ScoringData:
    """One category, prepared as the training prepared it. Nothing is measured on the images anew.

    - `train`, `validation`: normal images for training and held out; both may be empty where only new images are scored.
    - `test`: images to score. - `image_size`: the longer side of the median image at the working scale, in pixels.
    """

    found: Category
    train: DecodedImages
    validation: DecodedImages
    test: Sequence[Sample]
    image_size: int

    @property
    def held_out(self) -> list[Sample]:
        """The held-out normal images, on which the threshold is calibrated."""
        return self.validation.samples

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        """At most `count` held-out images, evenly spread: (place in `held_out`, (3, h, w) in [0, 1] at the working scale)."""
        return ((i, _whole(self.validation, i)) for i in evenly(len(self.validation), count))

    def training_images(self, count: int | None = None) -> tuple[Iterator[Tensor], int]:
        """At most `count` training images, evenly spread (all for None), (3, h, w) in [0, 1]; and how many they are."""
        chosen = evenly(len(self.train), len(self.train) if count is None else count)
        return (_whole(self.train, i) for i in chosen), len(chosen)


def _whole(images: DecodedImages, i: int) -> Tensor:
    return to_tensor(images.preprocessing.unit(*images[i]))


def scoring_data(
    reader: Mapping[str, Any],
    root: str,
    category: str,
    preprocessing: Preprocessing,
    share: float,
    seed: int,
    known: Collection[str] = (),
) -> ScoringData:
    """Find and check the files. UserError as for a training, except that the folder train may be missing.

    `known`: paths, below the category's folder, of the images that the training held out. Those that are still there are held
    out again, whatever came to the folder since. Where none is there, `share` and `seed` draw anew.
    """
    found = read(reader, root, category, need_training=False)
    held_out = [sample for sample in found.train if sample.path.relative_to(found.root).as_posix() in known]
    if not held_out and len(found.train) > 1:
        held_out = split(found.train, share, seed)[1]
    train = [sample for sample in found.train if sample not in held_out]
    check([*held_out, *found.test])
    longest = [max(image_size(sample.path)) for sample in found.train or found.test]
    size = max(1, round(preprocessing.scale * int(np.median(longest)))) if longest else 0
    decoded, validation = (DecodedImages(samples, preprocessing) for samples in (train, held_out))
    return ScoringData(found, decoded, validation, found.test, size)
