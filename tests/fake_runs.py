"""Run directories with made-up records, for tests of the report that need no network."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import yaml

from anomaly_lab.report.read.collect import collect
from anomaly_lab.report.read.official import mvtec_ad
from anomaly_lab.report.read.records import Group, Records, group

METRICS: dict[str, Any] = {
    "data": "synthetic", "category": "carpet", "objective": "restore", "lam": 0.5, "corruption": "elastic", "model": "tiny",
    "seed": 0, "image_size": 64, "stored_size": 256, "steps": 10, "train_seconds": 90.0, "device": "cpu",
    "image_auroc": 0.9, "pixel_auroc": 0.8, "pixel_ap": 0.4, "aupro": 0.7, "aupro_05": 0.45, "aupimo": 0.35,
    "image_f1": 0.6, "image_f1_max": 0.65, "pixel_f1": 0.5, "pixel_f1_max": 0.55,
    "tpr": 0.75, "tnr": 0.8125, "tpr_tnr_mean": 0.78125, "trivial_image_auroc": 0.5,
    "trivial_pixel_auroc": 0.6, "trivial_pixel_ap": 0.2, "trivial_aupro": 0.3,
    "threshold": 0.01, "min_area": 4, "score_pooling": "max", "sigma": 4, "proxy_ap": 0.3,
    "n_train": 51, "n_validation": 9, "n_test": 4, "calibration": "area",
}  # fmt: skip
SCORES = [("good", 0, 0.1, 0), ("good", 0, 0.2, 1), ("hole", 1, 0.3, 1), ("hole", 1, 0.4, 0)]


def fake_run(folder: Path, age: float = 0, scores: Any = SCORES, **changes: Any) -> Path:
    """Write a finished run to `folder`, which must not exist.

    age:     how many seconds ago the run ended
    scores:  rows of scores.csv: (defect, label, score, predicted)
    changes: values of metrics.json that differ from METRICS; config.yaml gets them too where it has such a key
    """
    m = METRICS | changes
    folder.mkdir(parents=True)
    config = {
        "data": {"name": m["data"], "root": changes.get("root", "/somewhere"), "contrast": "category"},
        "category": {"name": m["category"], "kind": "texture", "augmentation": [], "min_area": None},
        "objective": {"name": m["objective"], "_target_": f"anomaly_lab.objectives.{m['objective']}", "lam": m["lam"]},
        "corruption": {"name": m["corruption"]},
        "model": {"name": m["model"]},
        "optimizer": {"lr": changes.get("lr", 0.002)},
        "seed": m["seed"],
        "trainer": {"accelerator": "cpu", "precision": "32-true"},
    }
    (folder / ".claimed").touch()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps({k: v for k, v in m.items() if k not in ("root", "lr")}))
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "defect", "label", "score", "predicted"))
        writer.writerows((f"test/{d}/{i:03d}.png", d, label, s, p) for i, (d, label, s, p) in enumerate(scores))
    ended = (folder / "metrics.json").stat().st_mtime - age
    os.utime(folder / "metrics.json", (ended, ended))
    return folder


def official_run(folder: Path, category: str, **changes: Any) -> Path:
    """Write a finished run with the records of a complete MVTec AD category."""
    record = mvtec_ad()[category]
    defects = [record["defects"][i % len(record["defects"])] for i in range(record["defective"])]
    scores = [("good", 0, 0.1, 0)] * record["good"] + [(defect, 1, 0.9, 1) for defect in defects]
    known = {"data": "mvtec", "category": category, "n_train": record["train"] - 30, "n_validation": 30}
    known |= {"n_test": record["good"] + record["defective"], "stored_size": record["side"]}
    return fake_run(folder, **{"scores": scores} | known | changes)


def groups_of(folder: Path) -> list[Group]:
    """The groups of the runs below `folder`."""
    return group(collect([folder]))


def records_of(folder: Path) -> Records:
    """The records of the runs below `folder`, without curves."""
    runs = collect([folder])
    return Records(runs, group(runs), [])


# changes of `official_run`: each makes synthetic or partial data of it
SHORT = {
    "synthetic": {"data": "synthetic"},
    "fewer training images": {"n_train": 7},
    "fewer test images": {"n_test": 14},
    "another size": {"stored_size": 512},
    "size unknown": {"stored_size": None},
    "counts unknown": {"n_train": None},
    "unscored images": {"scores": [("good", 0, 0.1, 0), ("bent", 1, 0.9, 1)]},
    "other kinds": {"scores": [("good", 0, 0.1, 0)] * 21 + [("dent", 1, 0.9, 1)] * 57},
}
