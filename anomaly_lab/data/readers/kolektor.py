"""KolektorSDD (Tabernik et al., 2020), KolektorSDD2 (Božič et al., 2021): each image beside its mask, black if it is normal."""

from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.images import read_image
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.plain import chosen
from anomaly_lab.data.readers import layout

LABEL, TRUTH = "_label", "_GT"  # after the stem of a mask, in the first set and in the second


def kolektor_sdd(root: Path, category: str, need_training: bool = True, *, test_share: float = 0.2) -> Category:
    """<root>/<category> has a folder for each of 50 items: kos01/Part0.jpg with the mask kos01/Part0_label.bmp, …

    There is no split into training and test for normal images alone: the normal images of a share of the items are kept for the
    test, chosen by their content. Images of one item stay together. UserError as in `layout`.
    """
    folder = layout.place(root, category)
    items = [(item.name, sample) for item in listing.folders(folder) for sample in _samples(item, LABEL, item.name)]
    normal = [(name, sample) for name, sample in items if not sample.label]
    defective = [sample for _, sample in items if sample.label]
    known = list(dict.fromkeys(name for name, _ in normal))
    parts = [known.index(name) for name, _ in normal]
    tested = chosen([sample.path for _, sample in normal], parts, test_share) if defective else set[int]()
    in_test = [part in tested for part in parts]
    train = [sample for (_, sample), tested_too in zip(normal, in_test, strict=True) if not tested_too]
    test = [sample for (_, sample), tested_too in zip(normal, in_test, strict=True) if tested_too]
    masks = [mask for item in listing.folders(folder) for mask in _masks(item, LABEL)]
    return layout.found(category, folder, train, [*test, *defective], need_training, masks)


def kolektor_sdd2(root: Path, category: str, need_training: bool = True) -> Category:
    """<root>/<category> has the folders train and test, with <stem> and <stem>_GT in each.

    Defective training images are left out. UserError as in `layout`.
    """
    folder = layout.place(root, category)
    train = [sample for sample in _samples(folder / "train", TRUTH) if not sample.label]
    masks = [mask for part in ("train", "test") for mask in _masks(folder / part, TRUTH)]
    return layout.found(category, folder, train, _samples(folder / "test", TRUTH), need_training, masks)


def _samples(folder: Path, suffix: str, part: str = "") -> list[Sample]:
    """The images directly in a folder. One whose mask, <stem><suffix>, marks a pixel is defective."""
    by_stem = {listing.stem(path): path for path in listing.images(folder)}
    found = []
    for stem, path in by_stem.items():
        if not stem.endswith(suffix):
            mask = by_stem.get(stem + suffix)
            defective = mask is not None and bool(read_image(mask).any())
            found.append(Sample(path, "defect" if defective else NORMAL, mask if defective else None, part))
    return found


def _masks(folder: Path, suffix: str) -> list[Path]:
    return [path for path in listing.images(folder) if listing.stem(path).endswith(suffix)]
