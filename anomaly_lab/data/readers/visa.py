"""VisA (Zou et al., ECCV 2022): split_csv/1cls.csv names the images and masks of each category."""

import csv
from pathlib import Path

from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.names import NORMAL
from anomaly_lab.data.readers import layout
from anomaly_lab.errors import UserError
from anomaly_lab.files import READ

SPLIT = "split_csv/1cls.csv"  # columns: object, split (train, test), label (normal, anomaly), image, mask


def visa(root: Path, category: str, need_training: bool = True) -> Category:
    """The split for one class at a time. UserError for a missing or damaged table, and as in `layout`."""
    folder, table = layout.place(root, category), root / SPLIT
    try:
        with table.open(newline="", encoding=READ) as file:
            rows = [row for row in csv.DictReader(file) if row["object"] == category]
        samples = {
            part: [
                Sample(root / row["image"], *(("anomaly", root / row["mask"]) if row["label"] != "normal" else (NORMAL, None)))
                for row in rows
                if row["split"] == part
            ]
            for part in ("train", "test")
        }
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{table} can't be used ({error}): download VisA's split_csv again") from error
    return layout.found(category, folder, samples["train"], samples["test"], need_training)
