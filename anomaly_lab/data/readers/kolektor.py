"""KolektorSDD (Tabernik et al., 2020), KolektorSDD2 (Božič et al., 2021): each image beside its mask, black if it is normal."""

from collections.abc import Iterable
from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.images import read_image
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.plain import chosen
from anomaly_lab.data.readers import layout
from anomaly_lab.errors import UserError

LABEL, TRUTH = "_label", "_gt"  # after the stem of a mask, in any case, in the first set and in the second


def kolektor_sdd(root: Path, category: str, need_training: bool = True, *, test_share: float = 0.2) -> Category:
    """<root>/<category> has a folder for each of 50 items: kos01/Part0.jpg with the mask kos01/Part0_label.bmp, …

    There is no split into training and test for normal images alone: the normal images of a share of the items are kept for the
    test, chosen by their content. Images of one item stay together. UserError as in `layout`.
    """
    folder = layout.place(root, category)
    places = listing.folders(folder)
    masks = _masks(places, LABEL)
    items = [(item.name, sample) for item in places for sample in _samples(item, LABEL, bool(masks), item.name)]
    normal = [(name, sample) for name, sample in items if not sample.label]
    defective = [sample for _, sample in items if sample.label]
    known = list(dict.fromkeys(name for name, _ in normal))
    parts = [known.index(name) for name, _ in normal]
    tested = chosen([sample.path for _, sample in normal], parts, test_share) if defective else set[int]()
    in_test = [part in tested for part in parts]
    train = [sample for (_, sample), tested_too in zip(normal, in_test, strict=True) if not tested_too]
    test = [sample for (_, sample), tested_too in zip(normal, in_test, strict=True) if tested_too]
    return layout.found(category, folder, train, [*test, *defective], need_training, masks)


def kolektor_sdd2(root: Path, category: str, need_training: bool = True) -> Category:
    """<root>/<category> has the folders train and test, with <stem> and <stem>_GT in each.

    Defective training images are left out. UserError as in `layout`.
    """
    folder = layout.place(root, category)
    masks = _masks([folder / "train", folder / "test"], TRUTH)
    train = [sample for sample in _samples(folder / "train", TRUTH, bool(masks)) if not sample.label]
    return layout.found(category, folder, train, _samples(folder / "test", TRUTH, bool(masks)), need_training, masks)


def _samples(folder: Path, suffix: str, masked: bool, part: str = "") -> list[Sample]:
    """The images directly in a folder. One whose mask, <stem><suffix> in any case, marks a pixel is defective.

    UserError if the set is `masked` and an image has no mask: nobody knows then whether it is defective.
    """
    by_stem = {listing.stem(path).casefold(): path for path in listing.images(folder)}
    found = []
    for stem, path in by_stem.items():
        if not stem.endswith(suffix):
            mask = by_stem.get(stem + suffix)
            if mask is None and masked:
                raise UserError(
                    f"{path} has no mask {path.stem}{suffix}: add it, black if the image is normal, or remove the image"
                )
            defective = mask is not None and bool(read_image(mask).any())
            found.append(Sample(path, "defect" if defective else NORMAL, mask if defective else None, part))
    return found


def _masks(folders: Iterable[Path], suffix: str) -> list[Path]:
    return [path for folder in folders for path in listing.images(folder) if listing.stem(path).casefold().endswith(suffix)]
