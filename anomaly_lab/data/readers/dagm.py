"""DAGM 2007: <Class>/Train/<stem>, Train/Label/<stem>_label, Test likewise; an image without a label is normal.

Labels are ellipses around defects, so pixel metrics are low for heatmaps that are tight.
"""

from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.readers import layout


def dagm(root: Path, category: str, need_training: bool = True) -> Category:
    """The categories are Class1 to Class10. Defective training images are left out. UserError as in `layout`."""
    folder = layout.place(root, category)
    train = [sample for sample in _samples(folder / "Train") if not sample.label]
    return layout.found(category, folder, train, _samples(folder / "Test"), need_training)


def _samples(folder: Path) -> list[Sample]:
    labels = {listing.stem(path): path for path in listing.images(folder / "Label")}
    masks = {path: labels.get(f"{listing.stem(path)}_label") for path in listing.images(folder)}
    return [Sample(path, NORMAL if mask is None else "defect", mask) for path, mask in masks.items()]
