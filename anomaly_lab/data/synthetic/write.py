"""Render a category's images and masks, and write them to disk: all of them or none."""

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

from anomaly_lab.data.synthetic.camera import sample_camera
from anomaly_lab.data.synthetic.catalogue import CATALOGUE
from anomaly_lab.errors import UserError

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
    """One image of a category.

    - `split`: "train" or "test". - `kind`: "good" or a kind of defect.
    - `index`: its number in its folder, from 0.
    - `turn`: its number among the split's normal images, or among all defective images, from 0: the camera's exposure.
    """

    split: str
    kind: str
    index: int
    turn: int

    @property
    def image(self) -> str:
        """The image's path in the category's folder."""
        return f"{self.split}/{self.kind}/{self.index:03d}.png"

    @property
    def mask(self) -> str:
        """The mask's path in the category's folder; a normal image has no such file."""
        return f"ground_truth/{self.kind}/{self.index:03d}_mask.png"


def plan(category: str, counts: Counts) -> Iterator[Item]:
    """Every image of `category`, the training images first."""
    yield from (Item("train", "good", index, index) for index in range(counts.train))
    yield from (Item("test", "good", index, index) for index in range(counts.good))
    for number, kind in enumerate(CATALOGUE[category].kinds):
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
    scene = CATALOGUE[category].sample(scene_rng)
    camera = sample_camera(camera_rng, item.turn)
    picture = scene.render()
    pivot = float(picture.mean())
    normal = camera.photograph(picture, pivot)
    if item.kind == "good":
        return normal, normal, np.zeros(normal.shape[:2], np.uint8)
    while True:
        defective = camera.photograph(CATALOGUE[category].kinds[item.kind](scene, defect_rng), pivot)
        mask = defect_mask(normal, defective)
        if np.count_nonzero(mask) >= SMALLEST:
            return normal, defective, mask


def _write_png(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels)
    path.write_bytes(data.tobytes())  # cv2.imwrite would not tell why it failed


def _write(folder: Path, category: str, counts: Counts, progress: Progress | None) -> None:
    items = list(plan(category, counts))
    for done, item in enumerate(items, start=1):
        _, image, mask = render(category, item)
        _write_png(folder / item.image, image)
        if item.kind != "good":
            _write_png(folder / item.mask, mask)
        if progress is not None:
            progress(done, len(items))


def _complete(folder: Path, category: str, counts: Counts) -> bool:
    """Whether every file exists and is not empty (a power cut may leave empty files)."""
    for item in plan(category, counts):
        for name in (item.image, item.mask)[: 1 if item.kind == "good" else 2]:
            path = folder / name
            if not path.is_file() or path.stat().st_size == 0:
                return False
    return True


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


def _unknown(category: str) -> UserError:
    return UserError(
        f"The synthetic data set has no category {category!r}, only {', '.join(CATALOGUE)}: choose one of them, or unpack "
        "MVTec AD (https://www.mvtec.com/company/research/datasets/mvtec-ad) in DIR and add data=mvtec data.root=DIR"
    )


def ensure(root: Path, category: str, progress: Progress | None = None, counts: Counts | None = None) -> Path:
    """Write `category` below `root` unless it is there completely, and return its folder, `<root>/v<VERSION>/<category>`.

    - The folder is written under a temporary name and then renamed, so that nobody sees it half written. If several processes
      start together, each writes a folder, and the first finished one stays.
    - `progress(done, total)` is called after each image. `counts`: numbers of images, those of `Counts()` where it is None.

    UserError for an unknown category, where `root` holds other files, and where it cannot be written.
    """
    if category not in CATALOGUE:
        raise _unknown(category)
    counts = counts or Counts()
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
        raise UserError(f"Cannot write the synthetic data set below {root} ({reason}): choose another data.root") from error
    return target
