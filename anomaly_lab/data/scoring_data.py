"""Images for a detector that is trained already: what is tested, and the held-out normal images."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from anomaly_lab.data.datamodule import files, split, with_progress
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.images import image_size, read_image
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor
from anomaly_lab.data.statistics import evenly
from anomaly_lab.data.stored_images import StoredImages


@dataclass
class ScoringData:
    """One category as `AnomalyDataModule` finds it, prepared as the checkpoint says; nothing is measured on the images anew.

    `found.train` may be empty: then there are no held-out images either. `image_size`: the longer side in pixels of the median
    image at the working scale.
    """

    found: Category
    held_out: list[Sample]
    test: list[Sample]
    preprocessing: Preprocessing
    image_size: int

    def clean_images(self, count: int) -> Iterator[Tensor]:
        """At most `count` held-out normal images as the network sees them: whole, (3, h, w) in [0, 1], evenly spread."""
        chosen = [self.held_out[i].path for i in evenly(len(self.held_out), count)]
        return (to_tensor(self.preprocessing(read_image(path))) for path in chosen)

    def calibration_dataloader(self) -> DataLoader:
        return self._one_by_one(self.held_out)

    def test_dataloader(self) -> DataLoader:
        return self._one_by_one(self.test)

    def _one_by_one(self, samples: Sequence[Sample]) -> DataLoader:
        return DataLoader(StoredImages(samples, self.preprocessing), batch_size=None)


def scoring_data(
    name: str,
    root: str,
    category: str,
    preprocessing: Preprocessing,
    share: float,
    seed: int,
    known: Collection[str] = (),
) -> ScoringData:
    """Find and check the files. UserError as for a training, except that the folder train may be missing.

    `known`: paths, from the category's folder, of the images that the training held out. Those of them that are there are
    held out again, whatever has come to the folder since; where there are none, as many as `share` and `seed` say.
    """
    found = files(name, root, category, need_training=False)
    held_out = [sample for sample in found.train if sample.path.relative_to(found.root).as_posix() in known]
    if not held_out and len(found.train) > 1:
        held_out = split(found.train, share, seed)[1]
    test = list(found.test)
    with_progress("Checking images", [*held_out, *test])
    longest = [max(image_size(sample.path)) for sample in found.train or found.test]
    size = max(1, round(preprocessing.scale * int(np.median(longest)))) if longest else 0
    return ScoringData(found, held_out, test, preprocessing, size)
