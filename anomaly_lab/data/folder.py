"""A category's files: listed by a reader, checked, and split into training and held-out images.

A reader is a function (root, category, need_training) → `Category`. It lists files; they are checked later. conf/data/NAME.yaml
names it in `reader`: to read another layout, write one such function and one YAML. `scan` reads MVTec AD's layout.
"""

import contextlib
import functools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from anomaly_lab.build import build
from anomaly_lab.data import listing
from anomaly_lab.data.images import read_image, read_mask
from anomaly_lab.data.names import NORMAL, UNREAD_SUFFIXES, is_like_normal, kind_of, one_form
from anomaly_lab.errors import UserError, printable
from anomaly_lab.progress import watched

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """One image file."""

    path: Path
    defect: str  # the kind of defect; "good" for a normal image
    mask: Path | None  # the ground truth's file; None for a normal image, and where a defective image has no ground truth
    part: str = ""  # images of one part are not split into training and held-out ones; "" for an image alone

    @property
    def label(self) -> int:
        """0 for a normal image, 1 for a defective one."""
        return int(self.defect != NORMAL)


@dataclass(frozen=True)
class Category:
    """A category's samples."""

    name: str
    root: Path  # the category's own folder
    train: tuple[Sample, ...]  # normal ones
    test: tuple[Sample, ...]
    folders: tuple[Path, ...] = ()  # whose images should all be used; the root if there are none
    masks: frozenset[Path] = frozenset()  # known ones, beside those of the samples: a black one of a normal image


def read(reader: Mapping[str, Any], root: str | Path, category: str, need_training: bool = True) -> Category:
    """The category's files below `root`, listed by `reader`, a record for `anomaly_lab.build`. UserError as from it.

    Logs a warning for images in the category's folder that the reader does not reach.
    """
    try:
        listed = build(reader)
    except ValueError as error:
        raise UserError(f"data.reader: {error}") from error
    found: Category = listed(Path(root).expanduser(), category, need_training=need_training)
    unused = unreached(found)
    if unused:
        _tell(len(unused), printable(str(unused[0])), found.root)
    return found


def unreached(found: Category) -> list[Path]:
    """Images in the category's folder that are neither a sample nor a mask, sorted; hidden ones and normal masks left out."""
    used = {path for sample in (*found.train, *found.test) for path in (sample.path, sample.mask)}
    used |= found.masks
    walked = (path for folder in found.folders or (found.root,) for path in listing.walk(folder))
    beside = [path for path in walked if path not in used and path.parent not in used]  # a mask may be a folder of masks
    parts = [path.relative_to(found.root).parts for path in beside]
    return sorted(
        path for path, (top, *rest) in zip(beside, parts, strict=True) if (top, *rest[:1]) != ("ground_truth", NORMAL)
    )


@functools.cache  # one command may list a folder several times
def _tell(count: int, first: str, root: Path) -> None:
    log.warning("%d images below %s are not used, such as %s: the layout or the format does not allow it", count, root, first)


def scan(root: Path, category: str, need_training: bool = True) -> Category:
    """List the files in `<root>/<category>`, in MVTec AD's layout; the samples are sorted by their POSIX paths.

    - Images lie directly in train/good and test/<kind>. Hidden files, and files without an image suffix (in upper or lower
      case), are ignored. "good" may be written in any case.
    - The image test/<kind>/<stem> has the mask ground_truth/<kind>/<stem>_mask or ground_truth/<kind>/<stem>, with any image
      suffix. ground_truth/good is ignored, since a normal image needs no mask.
    - The folders test, ground_truth and ground_truth/<kind> may be missing, and train/good too unless `need_training`.

    UserError where a folder or an image is missing or misplaced, where two images in a folder share a stem (their results
    would overwrite each other), where a mask has no image or an image two masks, and where it is open whether a folder's
    images are normal: its name is like "ok" or "good 2", or other folders have masks, it has none, and there is no test/good.
    """
    folder = _folder(root, category)
    normal = _normal(folder)
    train = tuple(Sample(path, NORMAL, None) for path in _images_by_stem(normal).values())
    if need_training and not train:
        for like in listing.folders(folder / "train"):
            _require_clear(like)
        raise UserError(f"{normal} {_lacking(normal)}: put the normal training images there")
    return Category(category, folder, train, _scan_test(folder))


def verify(samples: Sequence[Sample]) -> None:
    """Decode every image and mask of `samples` once and keep none, with a progress bar.

    UserError where a file cannot be read, where a mask and its image differ in size, and where a mask marks no pixel: the
    message describes the first such sample and counts the others.
    """
    with ThreadPoolExecutor(4) as pool:  # threads suffice: OpenCV releases the GIL while it decodes
        faults = [fault for fault in watched(pool.map(_fault, samples), "Checking images", len(samples)) if fault is not None]
    if faults:
        raise UserError(faults[0] + (f" (and {len(faults) - 1} more at fault)" if len(faults) > 1 else ""))


def _fault(sample: Sample) -> str | None:
    """One sentence about what is wrong with the sample's files; None where nothing is."""
    try:
        height, width, _ = read_image(sample.path).shape
        if sample.mask is None or read_mask(sample.mask, (height, width)).any():
            return None
    except UserError as error:
        return str(error)
    return f"{sample.mask} marks no pixel as defective: correct it, or move {sample.path} to test/{NORMAL}"


def _folder(root: Path, category: str) -> Path:
    """The folder `<root>/<category>`, which may be written in another Unicode form. UserError names the option to set."""
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: set data.root to the folder that holds the categories")
    path = PurePath(category)
    if str(path) != category or path.is_absolute() or not path.name or ".." in path.parts:
        raise UserError(f"category.name is '{category}': it must be the name of a folder in {root}, without a slash at its end")
    alike = (other for other in listing.visible(root) if one_form(other.name) == one_form(category))
    found = next((other for other in (root / category, *alike) if other.is_dir()), None)
    if found is not None:
        return found
    if _normal(root).is_dir():
        raise UserError(
            f"{root} is itself a category and has no folder {category}: point data.root to its parent, "
            f"{root.resolve().parent}, and set category.name to {root.resolve().name}"
        )
    known = ", ".join(_categories(root))
    remedy = f"set category.name to one of {known}" if known else "point data.root to where it is"
    raise UserError(f"{root} has no category {category}: {remedy}")


def _categories(root: Path) -> Iterator[str]:
    """The names of the categories in `root`, as far as they can be listed."""
    for path in listing.visible(root):
        with contextlib.suppress(UserError, OSError):
            if _normal(path).is_dir():
                yield printable(path.name)


def _scan_test(folder: Path) -> tuple[Sample, ...]:
    """The test samples of the category in `folder`, each with its mask, sorted."""
    for stray in listing.images(folder / "test"):
        raise UserError(f"{stray} lies outside the folders test/<kind>: move it to test/{NORMAL} or test/<kind of defect>")
    images: dict[str, dict[str, Path]] = {}
    for kind in listing.folders(folder / "test"):
        _require_clear(kind)
        if (name := kind_of(kind)) in images:
            what = "normal images" if name == NORMAL else name
            raise UserError(f"{kind.parent} has two folders of {what}, {kind.name} and another: merge them in {name}")
        images[name] = _images_by_stem(kind)
    truths = [kind for kind in listing.folders(folder / "ground_truth") if kind_of(kind) != NORMAL]
    masks = {kind_of(kind): _pair(kind, images.get(kind_of(kind), {})) for kind in truths}
    bare = [name for name, paths in images.items() if paths and not masks.get(name)]
    if bare and any(masks.values()) and NORMAL not in images:
        raise UserError(
            f"{folder / 'test' / bare[0]} has no masks, other kinds have, and there is no test/{NORMAL}: rename it to {NORMAL} "
            "if its images are normal, or add masks"
        )
    samples: list[Sample] = []
    for defect, paths in images.items():
        samples += [Sample(path, defect, masks.get(defect, {}).get(stem)) for stem, path in paths.items()]
    return tuple(sorted(samples, key=lambda sample: sample.path.as_posix()))


def _lacking(folder: Path) -> str:
    """What a folder without images lacks."""
    unread = [path.name for path in listing.visible(folder) if path.suffix.lower() in UNREAD_SUFFIXES]
    formats = f" but {len(unread)} in formats that are not read, such as {unread[0]}" if unread else ""
    return f"has no images{formats}" if folder.is_dir() else "is missing"


def _normal(category: Path) -> Path:
    """The folder of a category's normal training images; train/good if there is none."""
    return next((path for path in listing.folders(category / "train") if kind_of(path) == NORMAL), category / "train" / NORMAL)


def _require_clear(folder: Path) -> None:
    """UserError if a folder's name says that its images are normal, and is not "good"."""
    if is_like_normal(folder.name):
        raise UserError(
            f"{folder} is named like normal images, which belong in {NORMAL}: rename it to {NORMAL}, or, if its images are "
            "defective, to the name of the defect"
        )


def _pair(truth: Path, images: dict[str, Path]) -> dict[str, Path]:
    """stem → mask for the images (stem → path) of one kind of defect; `truth` is the folder of its masks."""
    masks: dict[str, Path] = {}
    for mask in listing.images(truth):
        stem = next((stem for stem in (listing.stem(mask).removesuffix("_mask"), listing.stem(mask)) if stem in images), None)
        if stem is None:
            raise UserError(
                f"{mask} has no image in test/{truth.name}: name it as its image, with or without _mask at the end, add the "
                "image, or remove the mask"
            )
        if stem in masks:
            raise UserError(f"{images[stem]} has two masks, {masks[stem]} and {mask}: remove one of them")
        masks[stem] = mask
    return masks


def _images_by_stem(folder: Path) -> dict[str, Path]:
    """stem → path of the images directly in `folder`, sorted."""
    images: dict[str, Path] = {}
    for path in listing.images(folder):
        if (stem := listing.stem(path)) in images:
            raise UserError(f"{images[stem]} and {path} share the stem {path.stem}: rename one of them")
        images[stem] = path
    return images


def first_of_each_kind(samples: Iterable[Sample], most: int) -> list[Sample]:
    """The first sample of each kind, kinds in alphabetical order, at most `most` samples. No result influences the choice."""
    first = {sample.defect: sample for sample in reversed(list(samples))}
    return [first[defect] for defect in sorted(first)][:most]
