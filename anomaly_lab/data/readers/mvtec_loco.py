"""MVTec LOCO (Bergmann et al., 2022): as MVTec AD, with validation/good, and a folder of masks for each defective image.

Its own metric, sPRO, is not computed: AUPRO counts each component of the united masks.
"""

from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category
from anomaly_lab.data.readers import layout


def mvtec_loco(root: Path, category: str, need_training: bool = True) -> Category:
    """validation/good counts as training images, of which a share is held out. UserError as in `layout`."""
    folder = layout.place(root, category)
    train = [*layout.normal(folder / "train/good"), *layout.normal(folder / "validation/good")]
    test = [*layout.normal(folder / "test/good")]
    for kind in listing.folders(folder / "test"):
        if kind.name != "good":
            test += layout.defective(kind, kind.name, folder / "ground_truth" / kind.name)
    return layout.found(category, folder, train, test, need_training)
