"""data=folders: a folder of normal images and, if there are any, one of defective images and one of their masks, nested or not.

Nobody has to sort images into a training and a test set: a share of the normal images is kept for the test. Which ones follows
from their content, so that it stays the same when files are renamed, or others are added. Images that show the same part stay
together.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.alike import alike
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.inputs import below
from anomaly_lab.data.names import IMAGE_SUFFIXES, NORMAL, is_like_normal, one_form
from anomaly_lab.errors import UserError, is_text, printable
from anomaly_lab.files import of_file

DEFECT = "defect"  # the kind of images that lie directly in the folder of defective ones


def folders(
    root: Path,
    category: str,
    need_training: bool = True,
    *,
    normal: str | None,
    defects: str | None = None,
    masks: str | None = None,
    test_share: float = 0.2,
) -> Category:
    """List normal images in `normal` and below, and defective ones in `defects`, whose first folders name the kinds of defects.

    - `root`: the folder from which the others are seen; they may be anywhere.
    - `masks`: the image <defects>/<path>/<stem> has the mask <masks>/<path>/<stem> or <stem>_mask, with any image suffix.
    - `test_share`: of the normal images for the test, if there are defective ones.

    UserError where a folder or a normal image is missing, a mask has no image, or two test images of a kind share a stem.
    """
    if normal is None:
        raise UserError("data.normal is null: add data.normal=DIR, the folder with the normal images")
    given = {"normal": normal, "defects": defects, "masks": masks}
    at = {name: Path(os.path.abspath(root / Path(folder).expanduser())) for name, folder in given.items() if folder is not None}
    for name, folder in at.items():
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder: set data.{name} to where these images are")
    if "masks" in at and "defects" not in at:
        raise UserError(f"data.masks is {masks}, but there are no defective images: add data.defects=DIR")
    others = {place for name, folder in at.items() if name != "normal" for place in _places(_images(folder))}
    images = [path for path in _images(at["normal"]) if path.parent.resolve() not in others]
    if need_training and not images:
        raise UserError(f"{at['normal']} has no images: put the normal ones there, or set data.normal")
    defective = _defective(at["defects"], at.get("masks")) if "defects" in at else []
    parts = alike(images)
    tested = chosen(images, parts, test_share) if defective else set[int]()
    several = {part for part in parts if parts.count(part) > 1}
    normals = [
        (part in tested, Sample(path, NORMAL, None, images[part].name if part in several else ""))
        for path, part in zip(images, parts, strict=True)
    ]
    test = [sample for in_test, sample in normals if in_test] + defective
    _require_names(test)
    common = Path(os.path.commonpath([*at.values()]))
    return Category(category, common, tuple(s for in_test, s in normals if not in_test), tuple(test), tuple(at.values()))


def _images(folder: Path) -> list[Path]:
    """Every image in a folder and below. UserError for a name that is no text."""
    found = [path for path in below(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
    for path in found:
        if not is_text(str(path)):
            raise UserError(f"{printable(str(path))} has a name that is no text in UTF-8: rename it")
    return found


def _places(images: Iterable[Path]) -> set[Path]:
    """The folders that hold these images, without links: one may be reached in several ways."""
    return {place.resolve() for place in {path.parent for path in images}}


def chosen(images: Sequence[Path], parts: Sequence[int], share: float) -> set[int]:
    """The parts whose images are tested: those of the lowest digests, about a share of the images.

    A part's digest is the lowest of its images' files. Never all parts are tested. Of three or more, one at least is: without
    normal images a test can't count false alarms.
    """
    lowest: dict[int, str] = {}
    for path, part in zip(images, parts, strict=True):
        own = of_file(path)
        lowest[part] = min(own, lowest.get(part, own))
    ranked = sorted(lowest, key=lambda part: lowest[part])
    limit = int(share * 2**128)
    count = sum(int(lowest[part], 16) < limit for part in ranked)
    least = int(share > 0 and len(ranked) >= 3)
    return set(ranked[: max(least, min(count, len(ranked) - 1))])


def _defective(folder: Path, masks: Path | None) -> list[Sample]:
    """Samples of the defective images; the first folder below `folder` names the kind."""
    found, used = [], set[Path]()
    known: dict[tuple[str, ...], dict[str, Path]] = {}
    if masks is not None:
        for mask in _images(masks):
            known.setdefault(mask.relative_to(masks).parts[:-1], {})[listing.stem(mask)] = mask
    of_masks = _places([mask for of in known.values() for mask in of.values()])
    for path in _images(folder):
        if path.parent.resolve() in of_masks:
            continue
        *folders, _ = path.relative_to(folder).parts
        here, stem = known.get(tuple(folders), {}), listing.stem(path)
        own = here.get(f"{stem}_mask") or here.get(stem)
        if own is not None:
            used.add(own)
        kind = one_form(folders[0]) if folders else DEFECT
        if kind.casefold() == NORMAL or is_like_normal(kind):
            remedy = "move it to data.normal, or name the folder after the defect"
            raise UserError(f"{path} lies in a folder of normal images among the defective ones: {remedy}")
        found.append(Sample(path, kind, own))
    if stray := next((path for of in known.values() for path in of.values() if path not in used), None):
        raise UserError(f"{stray} has no image in {folder}: name it as its image, in a folder of the same name, or remove it")
    return found


def _require_names(test: Sequence[Sample]) -> None:
    """UserError if two test images of a kind share a stem: the files of one would be written over those of the other."""
    known: dict[tuple[str, str], Path] = {}
    for sample in test:
        key = sample.defect, listing.stem(sample.path)
        if key in known:
            raise UserError(f"{known[key]} and {sample.path} share the stem {sample.path.stem}: rename one of them")
        known[key] = sample.path
