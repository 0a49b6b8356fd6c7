"""KolektorSDD2 (Božič et al., 2021): train/<stem> and train/<stem>_GT, test likewise; normal images have a black one."""

from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.images import read_image
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.readers import layout

TRUTH = "_GT"


def kolektor_sdd2(root: Path, category: str, need_training: bool = True) -> Category:
    """<root>/<category> has the folders train and test. Defective training images are left out. UserError as in `layout`."""
    folder = layout.place(root, category)
    train = [sample for sample in _samples(folder / "train") if not sample.label]
    return layout.found(category, folder, train, _samples(folder / "test"), need_training)


def _samples(folder: Path) -> list[Sample]:
    by_stem = {listing.stem(path): path for path in listing.images(folder)}
    found = []
    for stem, path in by_stem.items():
        if not stem.endswith(TRUTH):
            mask = by_stem.get(stem + TRUTH)
            defective = mask is not None and bool(read_image(mask).any())
            found.append(Sample(path, "defect" if defective else NORMAL, mask if defective else None))
    return found
