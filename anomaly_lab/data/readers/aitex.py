"""AITEX (Silvestre-Blanes et al., 2019): NODefect_images, Defect_images and Mask_images; the names say kind and fabric.

A name is <number>_<kind of defect>_<fabric>, with the kind 000 for a normal image, and _mask after it for a mask. Images are
4,096 × 256 px. There is no official split: a share of the normal images is kept for the test, by their content.
"""

from pathlib import Path

from anomaly_lab.data import listing
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.inputs import below
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.plain import chosen
from anomaly_lab.data.readers import layout
from anomaly_lab.errors import UserError


def aitex(root: Path, category: str, need_training: bool = True, *, test_share: float = 0.2) -> Category:
    """`category`: the two digits of the fabric. Of several masks of an image the first counts.

    UserError without normal images of this fabric.
    """
    at = {folder.name.casefold(): folder for folder in listing.folders(root)}
    own = f"_{category}"
    images = [path for path in below(at.get("nodefect_images", root / "none")) if listing.stem(path).endswith(own)]
    if need_training and not images:
        raise UserError(f"{root} has no normal images of fabric {category}: set data.root, and category.name to its two digits")
    masks = {listing.stem(path).split("_mask")[0]: path for path in reversed(listing.images(at.get("mask_images", root)))}
    bad = [path for path in listing.images(at.get("defect_images", root)) if listing.stem(path).endswith(own)]
    defective = [Sample(path, listing.stem(path).split("_")[1], masks.get(listing.stem(path))) for path in bad]
    tested = chosen(images, range(len(images)), test_share) if defective else set[int]()
    normal = [Sample(path, NORMAL, None) for path in images]
    train = [sample for i, sample in enumerate(normal) if i not in tested]
    return layout.found(category, root, train, [*(normal[i] for i in tested), *defective], need_training)
