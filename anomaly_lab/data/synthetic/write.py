"""Renders a category's images and masks and puts them on disk, whole or not at all."""

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

VERSION = 2  # raise it with every change of what is drawn: each version has a folder of its own
VISIBLE = 6  # grey levels by which a pixel must differ, in some channel, to belong to the defect
SMALLEST = 60  # px: a defect that shows in fewer is drawn anew

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]


class Counts(NamedTuple):
    """How many images there are: of each good set, and of each kind of defect."""

    train: int = 60
    good: int = 16
    defective: int = 6


@dataclass(frozen=True)
class Item:
    """One image: `index` counts within its folder, `turn` within the split's normal or defective images."""

    split: str
    kind: str
    index: int
    turn: int

    @property
    def image(self) -> str:
        return f"{self.split}/{self.kind}/{self.index:03d}.png"

    @property
    def mask(self) -> str:
        return f"ground_truth/{self.kind}/{self.index:03d}_mask.png"


def plan(category: str, counts: Counts) -> Iterator[Item]:
    """Every image of a category, the training images first."""
    yield from (Item("train", "good", index, index) for index in range(counts.train))
    yield from (Item("test", "good", index, index) for index in range(counts.good))
    for number, kind in enumerate(CATALOGUE[category].kinds):
        for index in range(counts.defective):
            yield Item("test", kind, index, number * counts.defective + index)


def defect_mask(normal: Pixels, defective: Pixels) -> Pixels:
    """Mask (0 or 255) of the pixels that show the defect, with the pinholes between them closed."""
    differs = np.abs(normal.astype(np.int16) - defective).max(axis=2) > VISIBLE
    mask = np.pad(np.where(differs, 255, 0).astype(np.uint8), 4)  # or the gap to the image's edge would be closed
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc), np.uint8)[4:-4, 4:-4].copy()


def render(category: str, item: Item) -> tuple[Pixels, Pixels, Pixels]:
    """Return uint8 RGB (256, 256, 3) of the scene without its defect and as it is, and the mask (256, 256).

    The two images are the same and the mask is empty where the item's kind is "good".
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
    path.write_bytes(data.tobytes())  # not cv2.imwrite, which hides why it failed


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
    """Whether every file is there and holds something (a power cut may leave empty ones)."""
    for item in plan(category, counts):
        for name in (item.image, item.mask)[: 1 if item.kind == "good" else 2]:
            path = folder / name
            if not path.is_file() or path.stat().st_size == 0:
                return False
    return True


def _publish(finished: Path, target: Path, category: str, counts: Counts) -> None:
    """Move `finished` to `target`; leave it where it is if another process was there first."""
    while True:
        try:
            os.rename(finished, target)
            return
        except OSError:
            if not target.exists():
                raise
        if _complete(target, category, counts):
            return
        # what is there lacks files: out of the way with it, unless another process has just done so
        aside = tempfile.TemporaryDirectory(prefix=f".{category}-", suffix=".old", dir=target.parent)
        with aside as folder, contextlib.suppress(FileNotFoundError):
            os.rename(target, Path(folder) / category)


def _unknown(category: str) -> UserError:
    return UserError(
        f"The synthetic data set has no category {category!r}, only {', '.join(CATALOGUE)}: "
        "MVTec AD has more, is to be had at https://www.mvtec.com/company/research/datasets/mvtec-ad "
        "and, unpacked in DIR, is used with data=mvtec data.root=DIR."
    )


def ensure(root: Path, category: str, progress: Progress | None = None, counts: Counts | None = None) -> Path:
    """Return the folder of `category` below `root`, after writing it there unless it is there complete.

    The folder is written beside its place and then renamed, so that it is never seen half done. Processes
    that start together each do the work, and the first one's result stands. `progress` is called after each
    image with the number of images done and their total.
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
                f"{root} holds other files, and data=synthetic would write the embedded images among them: for images of your "
                "own add data=mvtec"
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
        raise UserError(f"Cannot write the synthetic data set below {root}: {error}.") from error
    return target
