"""What the readers share: the folder of a category, and a category of what was found in it."""

from collections.abc import Iterable
from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.names import NORMAL
from anomaly_lab.errors import UserError


def place(root: Path, category: str) -> Path:
    """<root>/<category>. UserError that names the categories there are."""
    folder = root / category
    if not folder.is_dir():
        known = ", ".join(path.name for path in listing.folders(root)) or "none"
        raise UserError(f"{folder} is no folder: set data.root to the data set's folder and category.name to one of {known}")
    return folder


def normal(folder: Path) -> tuple[Sample, ...]:
    """The images directly in a folder, as normal ones."""
    return tuple(Sample(path, NORMAL, None) for path in listing.images(folder))


def defective(folder: Path, kind: str, masks: Path | None, suffix: str = "") -> list[Sample]:
    """The images directly in a folder, with the masks <masks>/<stem><suffix>: files of any type, or folders of files."""
    known = {}
    if masks is not None:
        known = {listing.stem(path): path for path in [*listing.images(masks), *listing.folders(masks)]}
    return [Sample(path, kind, known.get(listing.stem(path) + suffix)) for path in listing.images(folder)]


def found(
    name: str,
    folder: Path,
    train: Iterable[Sample],
    test: Iterable[Sample],
    need_training: bool,
    masks: Iterable[Path] = (),
) -> Category:
    """The category; its test images are sorted. `masks`: also those of normal images, which no sample needs.

    UserError without training images where they are needed.
    """
    ordered = sorted(test, key=lambda sample: sample.path.as_posix())
    category = Category(name, folder, tuple(train), tuple(ordered), masks=frozenset(masks))
    if need_training and not category.train:
        raise UserError(
            f"{folder} has no normal training images in this layout: check data=NAME and data.root, or unpack the data again"
        )
    return category
