"""Each reader on a miniature in the layout of its data set: which images are trained on and tested, and their masks."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from omegaconf import OmegaConf

from anomaly_lab.data.folder import Category, read, unreached, verify
from anomaly_lab.errors import UserError
from anomaly_lab.runs.command_line import CONF


def image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    own = seed + sum(map(ord, "/".join(path.parts[-2:])))  # the same in every temporary folder
    cv2.imwrite(str(path), np.random.default_rng(own).integers(0, 255, (16, 24), dtype=np.uint8))


def mask(path: Path, value: int = 255, left: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.zeros((16, 24), np.uint8)
    drawn[4:8, left : left + 6] = value
    cv2.imwrite(str(path), drawn)


def listed(name: str, root: Path, category: str) -> Category:
    """What data=NAME finds."""
    data: Any = OmegaConf.to_container(OmegaConf.create({"data": OmegaConf.load(CONF / f"data/{name}.yaml")}), resolve=True)
    found = read(data["data"]["reader"], root, category)
    verify([*found.train, *found.test])
    return found


def told(found: Category) -> tuple[list[str], list[tuple[str, str, str | None]]]:
    """(stems of training images, (stem, kind, name of the mask) of test images)."""
    train = sorted(sample.path.stem for sample in found.train)
    return train, sorted((s.path.stem, s.defect, s.mask and s.mask.name) for s in found.test)


def test_btad(tmp_path: Path) -> None:
    for name in ("train/ok/1.bmp", "train/ok/2.bmp", "test/ok/3.bmp", "test/ko/4.bmp"):
        image(tmp_path / "01" / name)
    mask(tmp_path / "01/ground_truth/ko/4.png")
    found = listed("btad", tmp_path, "01")
    assert told(found) == (["1", "2"], [("3", "good", None), ("4", "ko", "4.png")]) and not unreached(found)


def test_visa(tmp_path: Path) -> None:
    rows = []
    for i, (part, label) in enumerate([("train", "normal"), ("train", "normal"), ("test", "normal"), ("test", "anomaly")]):
        kind = "Normal" if label == "normal" else "Anomaly"
        of_mask = f"candle/Data/Masks/Anomaly/{i}.png" if label == "anomaly" else ""
        rows.append(("candle", part, label, f"candle/Data/Images/{kind}/{i}.JPG", of_mask))
        image(tmp_path / rows[-1][3])
    rows.append(("pcb1", "train", "normal", "pcb1/Data/Images/Normal/0.JPG", ""))
    mask(tmp_path / "candle/Data/Masks/Anomaly/3.png", value=2)
    (tmp_path / "split_csv").mkdir()
    with (tmp_path / "split_csv/1cls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object", "split", "label", "image", "mask"), *rows])
    found = listed("visa", tmp_path, "candle")
    assert told(found) == (["0", "1"], [("2", "good", None), ("3", "anomaly", "3.png")]) and not unreached(found)
    (tmp_path / "split_csv/1cls.csv").write_text("object,split\ncandle,train\n")
    with pytest.raises(UserError, match=r"1cls.csv can't be used .*: download VisA's split_csv again"):
        listed("visa", tmp_path, "candle")


def test_mvtec_loco(tmp_path: Path) -> None:
    for name in ("train/good/0.png", "validation/good/1.png", "test/good/2.png", "test/logical_anomalies/3.png"):
        image(tmp_path / "juice" / name)
    for part in (0, 1):
        mask(tmp_path / f"juice/ground_truth/logical_anomalies/3/{part:03d}.png", value=1 + part, left=2 + 10 * part)
    found = listed("mvtec_loco", tmp_path, "juice")
    assert told(found) == (["0", "1"], [("2", "good", None), ("3", "logical_anomalies", "3")]) and not unreached(found)
    from anomaly_lab.data.images import read_mask

    (sample,) = (s for s in found.test if s.label)
    assert sample.mask is not None
    marked = read_mask(sample.mask, (16, 24))
    assert marked.sum() == 48 and marked[5, 3] and marked[5, 13], "both masks together"


def test_mvtec_ad_2(tmp_path: Path) -> None:
    for name in (
        "train/good/0.png",
        "validation/good/1.png",
        "test_public/good/2_regular.png",
        "test_public/bad/3_regular.png",
    ):
        image(tmp_path / "can" / name)
    mask(tmp_path / "can/test_public/ground_truth/bad/3_regular_mask.png")
    found = listed("mvtec_ad_2", tmp_path, "can")
    assert told(found) == (["0", "1"], [("2_regular", "good", None), ("3_regular", "bad", "3_regular_mask.png")])


def test_mpdd(tmp_path: Path) -> None:
    for name in ("train/good/0.png", "test/good/1.png", "test/scratch/2.png"):
        image(tmp_path / "tubes" / name)
    mask(tmp_path / "tubes/ground_truth/scratch/2_mask.png")
    assert told(listed("mpdd", tmp_path, "tubes")) == (["0"], [("1", "good", None), ("2", "scratch", "2_mask.png")])


def test_kolektor_sdd(tmp_path: Path) -> None:
    for item in range(1, 11):
        for part in range(3):
            image(tmp_path / f"KSDD/kos{item:02d}/Part{part}.jpg")
            mask(tmp_path / f"KSDD/kos{item:02d}/Part{part}_label.bmp", value=255 * (part == item - 1))
    found = listed("kolektor_sdd", tmp_path, "KSDD")
    assert not unreached(found)
    defective = [(s.path.parent.name, s.path.stem, s.mask and s.mask.name) for s in found.test if s.label]
    assert defective == [(f"kos0{i + 1}", f"Part{i}", f"Part{i}_label.bmp") for i in range(3)]
    train, test = ({s.path.parent.name for s in samples if not s.label} for samples in (found.train, found.test))
    assert train and test and not train & test, "an item's normal images are either trained on or tested"
    assert sum(not s.label for s in (*found.train, *found.test)) == 27
    assert {s.part for s in found.train} == train, "so that a held-out image shows another item"


def test_kolektor_sdd2(tmp_path: Path) -> None:
    for part, stem, value in (("train", 10, 0), ("train", 11, 0), ("train", 12, 255), ("test", 20, 0), ("test", 21, 255)):
        image(tmp_path / f"KSDD2/{part}/{stem}.png")
        mask(tmp_path / f"KSDD2/{part}/{stem}_GT.png", value=value)
    found = listed("kolektor_sdd2", tmp_path, "KSDD2")
    assert [path.stem for path in unreached(found)] == ["12"], "the masks of normal images are known"
    assert told(found) == (["10", "11"], [("20", "good", None), ("21", "defect", "21_GT.png")])


@pytest.mark.parametrize(("name", "images", "suffix"), [("kolektor_sdd", "kos1", "_label"), ("kolektor_sdd2", "train", "_GT")])
def test_a_kolektor_image_without_its_mask_is_refused_if_there_are_masks(
    tmp_path: Path, name: str, images: str, suffix: str
) -> None:
    for folder, stem in ((images, "a"), (images, "b"), ("kos2" if images == "kos1" else "test", "c")):
        image(tmp_path / f"K/{folder}/{stem}.png")
        mask(tmp_path / f"K/{folder}/{stem}{suffix.upper()}.png", value=255 * (stem == "b"))
    found = listed(name, tmp_path, "K")
    paths = [s.path for s in (*found.train, *found.test)]
    assert not any(suffix.lower() in path.stem.lower() for path in paths), "a mask is no image, in whatever case its name is"
    assert "b" not in [s.path.stem for s in found.train], "its mask tells that it is defective"
    (tmp_path / f"K/{images}/a{suffix.upper()}.png").unlink()
    with pytest.raises(UserError, match=rf"a\.png has no mask a{suffix.lower()}: add it, black if the image is normal"):
        listed(name, tmp_path, "K")
    for path in (tmp_path / "K").rglob(f"*{suffix.upper()}.png"):
        path.unlink()
    assert not any(s.label for s in listed(name, tmp_path, "K").train), "without any mask, all are normal"


def test_dagm(tmp_path: Path) -> None:
    for part, stem in (("Train", "0001"), ("Train", "0002"), ("Train", "0003"), ("Test", "0004"), ("Test", "0005")):
        image(tmp_path / f"Class1/{part}/{stem}.PNG")
    for part, stem in (("Train", "0003"), ("Test", "0005")):
        mask(tmp_path / f"Class1/{part}/Label/{stem}_label.PNG")
    found = listed("dagm", tmp_path, "Class1")
    assert told(found) == (["0001", "0002"], [("0004", "good", None), ("0005", "defect", "0005_label.PNG")])


def test_aitex(tmp_path: Path) -> None:
    for i in range(12):
        image(tmp_path / f"NODefect_images/2306881-210020u/{i:04d}_000_01.png")
    image(tmp_path / "NODefect_images/other/0050_000_03.png")
    for name in ("0100_019_01", "0101_006_01", "0102_006_03"):
        image(tmp_path / f"Defect_images/{name}.png")
    mask(tmp_path / "Mask_images/0100_019_01_mask.png")
    found = listed("aitex", tmp_path, "01")
    defective = [row for row in told(found)[1] if row[1] != "good"]
    assert defective == [("0100_019_01", "019", "0100_019_01_mask.png"), ("0101_006_01", "006", None)]
    normal = [s for s in (*found.train, *found.test) if not s.label]
    assert len(normal) == 12 and 0 < len(found.train) < 13
    with pytest.raises(UserError, match="has no normal images of fabric 09"):
        listed("aitex", tmp_path, "09")


def test_real_iad(tmp_path: Path) -> None:
    def row(name: str, kind: str = "OK", of_mask: str | None = None) -> dict[str, Any]:
        return {"category": "mint", "anomaly_class": kind, "image_path": name, "mask_path": of_mask}

    rows = {"train": [row("OK/0.jpg"), row("OK/1.jpg"), row("NG/AK/2.jpg", "AK", "NG/AK/2.png")]}
    rows["test"] = [row("OK/3.jpg"), row("NG/AK/4.jpg", "AK", "NG/AK/4.png")]
    for part in rows.values():
        for r in part:
            image(tmp_path / "realiad_1024/mint" / r["image_path"])
            if r["mask_path"]:
                mask(tmp_path / "realiad_1024/mint" / r["mask_path"])
    table = tmp_path / "realiad_jsons/realiad_jsons/mint.json"
    table.parent.mkdir(parents=True)
    table.write_text(json.dumps({"meta": {"normal_class": "OK", "prefix": "mint"}} | rows))
    found = listed("real_iad", tmp_path, "mint")
    assert told(found) == (["0", "1"], [("3", "good", None), ("4", "AK", "4.png")])
    table.write_text("[]")
    with pytest.raises(UserError, match=r"mint.json can't be used .*: set data.tables"):
        listed("real_iad", tmp_path, "mint")


@pytest.mark.parametrize("name", ["btad", "mvtec_loco", "mvtec_ad_2", "kolektor_sdd", "kolektor_sdd2", "dagm"])
def test_a_wrong_place_is_told_with_what_is_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(UserError, match=r"set data.root to the data set's folder and category.name to one of one"):
        listed(name, tmp_path, "two")
    with pytest.raises(UserError, match="has no normal training images in this layout"):
        listed(name, tmp_path, "one")
