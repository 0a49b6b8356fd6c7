"""The reader of data=synthetic: lists the embedded images. Those that are missing are rendered and written, all or none."""

import contextlib
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.folder import NORMAL, Category, scan
from anomaly_lab.data.synthetic.camera import sample_camera
from anomaly_lab.data.synthetic.catalogue import KINDS, SAMPLERS
from anomaly_lab.errors import UserError
from anomaly_lab.progress import bar

VERSION = 2  # raise it whenever an image changes: each version has its own folder
VISIBLE = 6  # grey levels: a pixel that differs by more, in any channel, belongs to the defect
SMALLEST = 60  # pixels: a defect that shows in fewer is drawn anew

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]


class Counts(NamedTuple):
    """Numbers of images: normal training images, normal test images, and test images of each kind of defect."""

    train: int = 60
    good: int = 16
    defective: int = 6


@dataclass(frozen=True)
class Item:
    """One image of a category."""

    split: str  # "train" or "test"
    kind: str  # "good" or a kind of defect
    index: int  # its number in its folder, from 0
    turn: int  # its number among the split's normal images, or among all defective images, from 0: the camera's exposure

    @property
    def image(self) -> str:
        """The image's path in the category's folder."""
        return f"{self.split}/{self.kind}/{self.index:03d}.png"

    @property
    def mask(self) -> str | None:
        """The mask's path in the category's folder; None for a normal image."""
        return None if self.kind == NORMAL else f"ground_truth/{self.kind}/{self.index:03d}_mask.png"


def plan(category: str, counts: Counts) -> Iterator[Item]:
    """Every image of `category`, the training images first."""
    yield from (Item("train", NORMAL, index, index) for index in range(counts.train))
    yield from (Item("test", NORMAL, index, index) for index in range(counts.good))
    for number, kind in enumerate(KINDS[category]):
        for index in range(counts.defective):
            yield Item("test", kind, index, number * counts.defective + index)


def defect_mask(normal: Pixels, defective: Pixels) -> Pixels:
    """(H, W, 3) uint8 without and with the defect → (H, W) uint8: 255 where the defect is visible, with small gaps closed."""
    differs = np.abs(normal.astype(np.int16) - defective).max(axis=2) > VISIBLE
    mask = np.pad(np.where(differs, 255, 0).astype(np.uint8), 4)  # without padding, closing would fill gaps to the image's edge
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc), np.uint8)[4:-4, 4:-4].copy()


def render(category: str, item: Item) -> tuple[Pixels, Pixels, Pixels]:
    """(image without the defect, image, mask): uint8 RGB (256, 256, 3), twice, and uint8 (256, 256) with values 0 and 255.

    All three follow from the category and the item alone. For a normal item, both images are equal and the mask is all 0.
    """
    names = [zlib.crc32(name.encode()) for name in (category, f"{item.split}/{item.kind}")]
    seeds = np.random.SeedSequence([*names, item.index]).spawn(3)
    scene_rng, camera_rng, defect_rng = (np.random.default_rng(seed) for seed in seeds)
    scene, camera = SAMPLERS[category](scene_rng), sample_camera(camera_rng, item.turn)
    picture = scene.render()
    pivot = float(picture.mean())
    normal = camera.photograph(picture, pivot)
    if item.kind == NORMAL:
        return normal, normal, np.zeros(normal.shape[:2], np.uint8)
    while True:
        defective = camera.photograph(KINDS[category][item.kind](scene, defect_rng), pivot)
        mask = defect_mask(normal, defective)
        if np.count_nonzero(mask) >= SMALLEST:
            return normal, defective, mask


def _write(folder: Path, category: str, counts: Counts, progress: Progress) -> None:
    items = list(plan(category, counts))
    for done, item in enumerate(items, start=1):
        _, image, mask = render(category, item)
        for name, pixels in ((item.image, cv2.cvtColor(image, cv2.COLOR_RGB2BGR)), (item.mask, mask)):
            if name is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())  # cv2.imwrite would hide why it failed
        progress(done, len(items))


def _complete(folder: Path, category: str, counts: Counts) -> bool:
    """Whether every file exists and is not empty (a power cut may leave empty files)."""
    paths = [folder / name for item in plan(category, counts) for name in (item.image, item.mask) if name is not None]
    return all(path.is_file() and path.stat().st_size > 0 for path in paths)


def _publish(finished: Path, target: Path, category: str, counts: Counts) -> None:
    """Move `finished` to `target`, unless another process has put the whole category there first."""
    while True:
        try:
            os.rename(finished, target)
            return
        except OSError:
            if not target.exists():
                raise
        if _complete(target, category, counts):
            return
        # `target` lacks files: move it out of the way, unless another process has just done so
        aside = tempfile.TemporaryDirectory(prefix=f".{category}-", suffix=".old", dir=target.parent)
        with aside as folder, contextlib.suppress(FileNotFoundError):
            os.rename(target, Path(folder) / category)


def read(root: Path, category: str, need_training: bool = True) -> Category:
    """The files of an embedded category below `root`, generated on first use. UserError as in `ensure` and `scan`."""
    with bar(f"Generating {category}") as update:
        folder = ensure(root, category, Counts(), update)
    return scan(folder.parent, category, need_training=need_training)


def ensure(root: Path, category: str, counts: Counts, progress: Progress = lambda done, total: None) -> Path:
    """Write `category` below `root` unless it is there completely, and return its folder, `<root>/v<VERSION>/<category>`.

    The folder is written under a temporary name and then renamed, so that nobody sees it half written. If several processes
    start together, each writes a folder, and the first finished one stays. `progress(done, total)` is called after each image.
    UserError for an unknown category, where `root` holds other files, and where it cannot be written.
    """
    if category not in KINDS:
        raise UserError(
            f"The synthetic data set has no category {category!r}, only {', '.join(KINDS)}: choose one of them, or unpack "
            "MVTec AD (https://www.mvtec.com/company/research/datasets/mvtec-ad) in DIR and add data=mvtec data.root=DIR"
        )
    target = Path(root) / f"v{VERSION}" / category
    if _complete(target, category, counts):
        return target
    try:
        if any(not re.fullmatch(r"v\d+", path.name) for path in Path(root).glob("[!.]*")):
            raise UserError(
                f"{root} holds other files, and data=synthetic would write its images among them: to use your own images, "
                "add data=mvtec"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{category}-", suffix=".part", dir=target.parent))
        try:
            _write(temporary, category, counts, progress)
            temporary.chmod(0o755)  # mkdtemp makes it 0700
            _publish(temporary, target, category, counts)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"Cannot write the synthetic data set below {root} ({reason}): choose another with ANOMALY_LAB_CACHE"
        ) from error
    return target
