"""MVTec AD 2 (Heckler-Kram et al., 2025): train/good, validation/good, test_public/<good, bad>, test_public/ground_truth/bad.

The truth of test_private and test_private_mixed is not published: `predict` scores their images.
"""

from pathlib import Path

from anomaly_lab.data.folder import Category
from anomaly_lab.data.readers import layout


def mvtec_ad_2(root: Path, category: str, need_training: bool = True) -> Category:
    """validation/good counts as training images, of which a share is held out. UserError as in `layout`."""
    folder = layout.place(root, category)
    public = folder / "test_public"
    train = [*layout.normal(folder / "train/good"), *layout.normal(folder / "validation/good")]
    masks = public / "ground_truth/bad"
    test = [*layout.normal(public / "good"), *layout.defective(public / "bad", "bad", masks, "_mask")]
    return layout.found(category, folder, train, test, need_training)
