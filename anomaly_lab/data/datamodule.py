"""The LightningDataModule: what is split how, prepared how, and served in which order."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from anomaly_lab.build import build
from anomaly_lab.data.cache import can_keep_open, image_cache
from anomaly_lab.data.copies import tell_copies
from anomaly_lab.data.crops import batch_size as size_of_batch
from anomaly_lab.data.crops import crop_size
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.directions import in_any_direction
from anomaly_lab.data.folder import Category, Sample, read, verify
from anomaly_lab.data.held_out import split
from anomaly_lab.data.images import image_size as stored_size
from anomaly_lab.data.likeness import profile
from anomaly_lab.data.pairs import FLIPS, Batches, Key, TrainingSamples, ValidationPairs
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.data.statistics import Seen, look, mean_and_std, mean_color, rotation_range, working_size
from anomaly_lab.data.workers import ignore_interrupt
from anomaly_lab.errors import UserError
from anomaly_lab.files import of_files
from anomaly_lab.progress import bar

log = logging.getLogger(__name__)
VALIDATION_PAIRS = 12  # enough for a steady proxy; more only cost time


class AnomalyDataModule(L.LightningDataModule):
    """One category: corrupted training samples, validation pairs, validation normals for calibration, test images.

    - `name`: what the images are called in every result. - `reader`: lists the files below `root`, see `folder`.
    - `category`: name, kind, augmentation, min_area, as in conf/category.
    - `image_size`: the longer side in pixels of the working scale, or "auto": chosen from the normal training images.
    - `rotation`: degrees by which training crops are turned at most to either side, or "auto": from the images.
    - `align`: whether parts are turned into one direction, see `alignment`; "auto": if normal images show long parts in any.
    - `contrast`: see `Preprocessing`. - `corruption`, `validation_corruption`: records for `anomaly_lab.build`.
    - `train_size`, `batch_size`: side of the training crops in pixels (0: whole images) and crops per batch, or "auto": see
      `crops`. `size_schedule`, where set, is asked instead for each batch's side, by the batch's number.
    - `validation_share`: of the normal training images that is held out, see `held_out.split`.
    - `num_workers`: processes that prepare samples; the samples do not depend on it.
    - `cache`: folder and gib of the cache of decoded images that all runs on a machine share; None or 0 GiB for none.
    """

    def __init__(
        self,
        name: str,
        reader: Mapping[str, Any],
        root: str,
        category: Mapping[str, Any],
        image_size: int | str,
        contrast: str,
        corruption: Mapping[str, Any],
        validation_corruption: Mapping[str, Any],
        batch_size: int | str,
        steps_per_epoch: int,
        train_size: int | str,
        validation_share: float,
        num_workers: int,
        seed: int,
        cache: Mapping[str, Any] | None = None,
        rotation: float | str = 0.0,
        align: bool | str = False,
    ) -> None:
        super().__init__()
        self.name, self.reader, self.root, self.category = name, reader, Path(root).expanduser(), dict(category)
        self.requested_size, self.contrast, self.requested_rotation = image_size, contrast, rotation
        self.requested_align = align
        self.corruption, self.validation_corruption = corruption, validation_corruption
        self.requested_batch, self.requested_crop, self.steps_per_epoch = batch_size, train_size, steps_per_epoch
        self.validation_share, self.seed, self.cache, self.num_workers = validation_share, seed, cache, num_workers
        self.size_schedule: Callable[[int], int] | None = None  # set by the progressive-size callback
        self.listed: Category | None = None
        self.scoring_data: ScoringData | None = None  # set by `setup`

    def prepare_data(self) -> None:
        """List the files, which generates the embedded data where they are missing."""
        self.files()

    def files(self) -> Category:
        """The category's files as they are listed the first time, before any is opened."""
        if self.listed is None:
            self.listed = read(self.reader, self.root, self.category["name"])
        return self.listed

    def fingerprint(self) -> str:
        """A digest of every image and mask, and of their names. UserError for a file that can't be read."""
        found = self.files()
        paths = [path for s in (*found.train, *found.test) for path in (s.path, s.mask) if path is not None]
        try:
            return of_files(paths, found.root)
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read ({error.strerror}): restore or remove it") from error

    def setup(self, stage: str | None = None) -> None:
        """Check and split the files, and choose the working scale; only the first call does. UserError for what is wrong."""
        if self.scoring_data is not None:
            return
        if unknown := set(map(str, self.category["augmentation"])) - set(FLIPS):
            raise UserError(f"category.augmentation: there is no {', '.join(sorted(unknown))}, only {', '.join(FLIPS)}")
        found = self.files()
        cache = image_cache(**self.cache) if self.cache else None
        if cache is None:
            verify([*found.train, *found.test])
        else:
            cache.once(self.fingerprint(), lambda: verify([*found.train, *found.test]))
        train, held_out = split(found.train, self.validation_share, self.seed)
        sizes, seen = self.measure(train, found.train)
        self._require_room(held_out)
        prepared = [self.preprocessing.size(size) for size in sizes]
        self._require_one_shape(set(prepared), found.train[0].path.parent)
        size = sum(h * w for h, w in prepared) * max(image.pixel_bytes for image in seen)
        self.image_cache = cache if cache is not None and cache.fits(size) and can_keep_open(len(found.train)) else None
        with bar("Decoding images") as update:
            decoded = DecodedImages(train, self.preprocessing, cache=self.image_cache, progress=update)
        validation = DecodedImages(held_out, self.preprocessing, cache=self.image_cache)
        # trivial references see images as they lie
        self.mean_color = mean_color(DecodedImages(train, self.preprocessing.unaligned) if self.align else decoded)
        self.profile, empty = profile([decoded, validation])
        if empty:
            log.warning(
                "%d training images in %s show nothing: they are black or of one colour; remove them if the camera failed",
                empty,
                found.train[0].path.parent,
            )
        tell_copies(train, held_out, found.test)
        # last, so that a second call after a failure starts anew
        self.scoring_data = ScoringData(found, decoded, validation, found.test, self.image_size)

    def measure(self, train: Sequence[Sample], normal: Sequence[Sample]) -> tuple[list[tuple[int, int]], list[Seen]]:
        """Choose the working scale, the stretch and a_min from `train` and the sizes of all `normal` training images.

        Returns these sizes, (H, W), and what was seen of some images. UserError as from `read_image`.
        """
        auto = self.requested_align == "auto"
        self.align, self.why_align = in_any_direction(train) if auto else (bool(self.requested_align), "as configured")
        sizes, seen = [stored_size(sample.path) for sample in normal], look(train, self.align)
        longest = int(np.median([max(size) for size in sizes]))
        self._choose(seen, longest)
        mean, std = mean_and_std(seen) if self.contrast == "category" else (0.5, 1.0)
        scale = self.image_size / longest
        self.preprocessing = Preprocessing(scale, self.contrast, mean, std, longest=longest, align=self.align)
        self.min_area = self.category["min_area"]
        if self.min_area is None:
            self.min_area = max(4, round(5e-4 * float(np.median([h * w for h, w in sizes]))))
        return sizes, seen

    def _choose(self, seen: Sequence[Seen], longest: int) -> None:
        """Choose working scale, crops, batches and rotation, where they are left to the images."""
        if self.requested_size == "auto":
            self.image_size, self.why_size = working_size(seen, longest)
        else:
            self.image_size, self.why_size = int(self.requested_size), "as configured"
        self.train_size = crop_size(self.requested_crop, self.image_size)
        self.batch_size = size_of_batch(self.requested_batch, self.train_size, self.image_size)
        if self.requested_rotation == "auto":
            whole = 0.0, "whole images are not turned"
            self.rotation, self.why_rotation = rotation_range(seen) if self.train_size else whole
        elif not self.train_size and float(self.requested_rotation):
            raise UserError("data.rotation turns crops: train on crops with data.train_size=auto, or set data.rotation=0")
        else:
            self.rotation, self.why_rotation = float(self.requested_rotation), "as configured"

    def _require_room(self, samples: Sequence[Sample]) -> None:
        """The threshold comes from these images: no component in them can be larger than they are."""
        pixels, smallest = min((int(np.prod(stored_size(sample.path))), sample.path) for sample in samples)
        if self.min_area > pixels:
            raise UserError(f"category.min_area is {self.min_area}: {smallest} has {pixels} pixels, choose a smaller one")

    def _require_one_shape(self, sizes: set[tuple[int, int]], folder: Path) -> None:
        """Whole images make a batch only where they are of one size and stay so when turned."""
        oblong = "rotate90" in self.flips and any(h != w for h, w in sizes)
        if not self.train_size and (len(sizes) > 1 or oblong):
            raise UserError(
                f"{folder} holds images of {len(sizes)} sizes or turned oblong ones, which make no batch as a "
                "whole: train on crops with data.train_size=auto"
            )

    @property
    def images(self) -> ScoringData:
        """The category's images, after `setup`."""
        assert self.scoring_data is not None, "setup() comes first"
        return self.scoring_data

    def train_dataloader(self) -> DataLoader:
        size = self.size_schedule or (lambda step: self.train_size)
        batches = Batches(self.steps_per_epoch, self.batch_size, self._position, size)
        # pinned memory lets copies to a GPU run beside its computing
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            self._training_samples(),
            batch_sampler=batches,
            pin_memory=on_gpu,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=ignore_interrupt,
        )

    def _training_samples(self) -> TrainingSamples:
        return TrainingSamples(self.images.train, build(self.corruption), self.flips, self.seed, self.rotation)

    @property
    def flips(self) -> list[str]:
        """What training crops are flipped by, of category.augmentation. Quarter turns would undo an alignment."""
        return [name for name in self.category["augmentation"] if not (self.align and name == "rotate90")]

    def training_pairs(self, count: int) -> list[dict[str, Tensor]]:
        """The first samples of the training: {"X", "X_hat": (3, s, s), "M": (1, s, s)} each."""
        samples = self._training_samples()
        return [samples[Key(0, i, self.train_size)] for i in range(count)]

    def val_dataloader(self) -> DataLoader:
        images = self.images.validation
        chosen = DecodedImages(images.samples[:VALIDATION_PAIRS], images.preprocessing, in_memory=True, cache=self.image_cache)
        variants = -(-VALIDATION_PAIRS // len(chosen))
        return DataLoader(ValidationPairs(chosen, build(self.validation_corruption), variants, self.seed))

    def _position(self) -> tuple[int, int]:
        """(epoch, steps of it already done): more than 0 where a training goes on in the middle of an epoch."""
        if self.trainer is None or self.trainer.overfit_batches:  # type: ignore[attr-defined]
            return 0, 0  # to overfit, every epoch has the batches of the first
        epoch = self.trainer.current_epoch
        return epoch, max(0, self.trainer.global_step - epoch * self.steps_per_epoch)
