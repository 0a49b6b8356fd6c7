"""BTAD (Mishra et al., 2021): <category>/train/ok, test/ok, test/ko, ground_truth/ko/<stem>."""

from pathlib import Path

from anomaly_lab.data.folder import Category
from anomaly_lab.data.readers import layout


def btad(root: Path, category: str, need_training: bool = True) -> Category:
    """The categories are 01, 02 and 03. UserError as in `layout`."""
    folder = layout.place(root, category)
    test = [*layout.normal(folder / "test/ok"), *layout.defective(folder / "test/ko", "ko", folder / "ground_truth/ko")]
    return layout.found(category, folder, layout.normal(folder / "train/ok"), test, need_training)
