"""Real-IAD (Wang et al., CVPR 2024): a table <category>.json names the images of a category and their masks."""

import json
from collections.abc import Mapping
from pathlib import Path

from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.readers import layout
from anomaly_lab.errors import UserError
from anomaly_lab.files import READ


def real_iad(root: Path, category: str, need_training: bool = True, *, images: str, tables: str) -> Category:
    """`images`, `tables`: folders below `root`, of the categories' images at one size, and of the tables of one protocol.

    Defective training images are left out. UserError for a missing or damaged table, and as in `layout`.
    """
    folder, table = layout.place(root / images, category), root / tables / f"{category}.json"
    try:
        record = json.loads(table.read_text(encoding=READ))
        normal = record["meta"]["normal_class"]
        train, test = ([_sample(folder, row, normal) for row in record[part]] for part in ("train", "test"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{table} can't be used ({error}): set data.tables, or download Real-IAD's tables again") from error
    return layout.found(category, folder, (sample for sample in train if not sample.label), test, need_training)


def _sample(folder: Path, row: Mapping[str, str], normal: str) -> Sample:
    if row["anomaly_class"] == normal:
        return Sample(folder / row["image_path"], NORMAL, None)
    return Sample(folder / row["image_path"], row["anomaly_class"], folder / row["mask_path"] if row.get("mask_path") else None)
