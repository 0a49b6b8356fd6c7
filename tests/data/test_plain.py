"""data=folders: what is normal, defective, tested and held out, and that it stays so."""

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Ended, metrics_of, train_in_process

from anomaly_lab.data.folder import read
from anomaly_lab.data.held_out import split
from anomaly_lab.data.plain import chosen, folders
from anomaly_lab.errors import UserError

READER = {"_target_": "anomaly_lab.data.plain.folders", "normal": "good", "defects": "bad", "masks": "masks", "test_share": 0.3}


def image(seed: int) -> np.ndarray:
    smooth = cv2.GaussianBlur(np.random.default_rng(seed).random((64, 64), np.float32), (0, 0), 3)
    return (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twenty normal images, of which two pairs show the same part; four defective ones, three of them with masks."""
    for i in range(18):
        write(tmp_path / f"good/day {i % 2}/{i:02d}.png", image(i))
    for i in (3, 8):
        write(tmp_path / f"good/again/{i + 100}.jpg", image(i))
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 10:30] = 255
    for i, (kind, masked) in enumerate([("hole", True), ("hole", True), ("cut/deep", True), ("cut/deep", False)]):
        pixels = image(50 + i)
        pixels[10:30, 10:30] = 255
        write(tmp_path / f"bad/{kind}/{i}.png", pixels)
        if masked:
            write(tmp_path / f"masks/{kind}/{i}{'_mask' if i else ''}.png", mask)
    return tmp_path


def names(samples: tuple) -> list[str]:
    return sorted(sample.path.stem for sample in samples)


def test_every_image_has_its_place(root: Path) -> None:
    found = read(READER, root, "parts")
    assert found.root == root and found.name == "parts"
    defective = {s.path.stem: (s.defect, s.mask and s.mask.name) for s in found.test if s.label}
    assert defective == {"0": ("hole", "0.png"), "1": ("hole", "1_mask.png"), "2": ("cut", "2_mask.png"), "3": ("cut", None)}
    tested = [s for s in found.test if not s.label]
    assert len(found.train) + len(tested) == 20 and 1 <= len(tested) <= 12
    parts = [{s.part for s in samples} - {""} for samples in (found.train, tested)]
    assert len(parts[0] | parts[1]) == 2
    assert not parts[0] & parts[1], "a part is not split"


def test_the_test_images_stay_when_files_are_renamed_and_others_come(root: Path) -> None:
    def digests(samples: list) -> set[bytes]:
        return {s.path.read_bytes() for s in samples if not s.label}

    before = digests(list(folders(root, "parts", normal="good", defects="bad").test))
    for i, path in enumerate(sorted((root / "good").rglob("*.*"), reverse=True)):
        path.rename(path.with_name(f"new{i}{path.suffix}"))
    for i in range(30, 36):
        write(root / f"good/{i}.png", image(i))
    after = digests(list(folders(root, "parts", normal="good", defects="bad").test))
    assert before <= after


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_normal_images_are_for_both_training_and_test(tmp_path: Path, count: int) -> None:
    """With five images and a share of a fifth, the digests alone would choose none of them one time in three."""
    for drawn in range(30):
        paths = [tmp_path / f"{drawn}/{i}" for i in range(count)]
        paths[0].parent.mkdir()
        for path in paths:
            path.write_bytes(path.as_posix().removeprefix(tmp_path.as_posix()).encode())
        tested = chosen(paths, range(count), 0.2)
        assert (count < 3 or tested) and len(tested) < count
        assert not chosen(paths, range(count), 0.0)


def test_parts_are_not_split_into_training_and_held_out_images(root: Path) -> None:
    found = folders(root, "parts", normal="good")
    assert not found.test and len(found.train) == 20, "without defective images all normal ones are for the training"
    for seed in range(20):
        train, held_out = split(found.train, 0.25, seed)
        assert len(train) + len(held_out) == 20 and 5 <= len(held_out) <= 6
        assert not {s.part for s in train if s.part} & {s.part for s in held_out}


def test_folders_may_be_anywhere_and_in_one_another(root: Path) -> None:
    shutil.move(root / "bad", root / "good/bad")
    shutil.move(root / "masks", root / "good/bad/masks")
    found = folders(
        Path("/nowhere"), "parts", normal=f"{root}/good", defects=f"{root}/good/bad", masks=f"{root}/good/bad/masks"
    )
    assert len([s for s in found.test if s.label]) == 4 and found.root == root / "good"
    assert len(found.train) + len([s for s in found.test if not s.label]) == 20


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_linked_folders_belong_to_it_except_those_of_defective_images(root: Path) -> None:
    shutil.move(root / "good/day 1", root / "disk")
    (root / "good/day 1").symlink_to(root / "disk")
    (root / "good/rejected").symlink_to(root / "bad")
    (root / "good/all").symlink_to(root)
    shutil.move(root / "bad/hole", root / "holes")
    (root / "bad/hole").symlink_to(root / "holes")
    found = folders(root, "parts", normal="good", defects="bad", masks="masks")
    assert len([s for s in (*found.train, *found.test) if not s.label]) == 20
    assert names(tuple(s for s in found.test if s.label)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("name", ["ok", "Normal", "no_defect", "good 2"])
def test_a_folder_named_like_normal_images_is_no_kind_of_defect(root: Path, name: str) -> None:
    write(root / f"test/{name}/1.png", image(60))
    with pytest.raises(UserError, match=r"lies in a folder of normal images .*: move it to data\.normal, or"):
        folders(root, "parts", normal="good", defects="test")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"normal": None}, "data.normal is null: add data.normal=DIR"),
        ({"normal": "none"}, "none is no folder: set data.normal"),
        ({"normal": "good", "defects": "none"}, "none is no folder: set data.defects"),
        ({"normal": "good", "masks": "masks"}, "there are no defective images: add data.defects=DIR"),
        ({"normal": "empty"}, "empty has no images: put the normal ones there"),
        ({"normal": "good", "defects": "bad", "masks": "stray"}, "9.png has no image in .*bad: name it as its image"),
        ({"normal": "good", "defects": "odd"}, "lies in a folder of normal images among the defective ones"),
        ({"normal": "good", "defects": "twice"}, "share the stem 1: rename one of them"),
    ],
)
def test_a_mistake_is_named(root: Path, options: dict[str, str], said: str) -> None:
    (root / "empty").mkdir()
    write(root / "stray/hole/9.png", image(0))
    write(root / "odd/Good/1.png", image(60))
    for folder in ("a", "b"):
        write(root / f"twice/hole/{folder}/1.png", image(61))
    with pytest.raises(UserError, match=said):
        folders(root, "parts", **options)


def test_a_training_on_folders_ends(root: Path, tmp_path: Path, blank_pictures: None) -> None:
    places = [f"data.normal={root}/good", f"data.defects={root}/bad", f"data.masks={root}/masks"]
    command = ["+category=custom", "category.name=parts", "data=folders", *places, "debug=default", "trainer.max_time=null"]
    ended: Ended = train_in_process(tmp_path / "elsewhere", *command)
    assert ended.status == 0, ended.err
    metrics = metrics_of(ended.directory)
    assert metrics["data"] == "folders" and metrics["n_unmasked"] == 1 and metrics["n_train"] + metrics["n_validation"] < 20


def test_a_single_part_cannot_be_split(root: Path) -> None:
    for i in range(3):
        write(root / f"same/{i}.png", image(7))
    with pytest.raises(UserError, match="shows a single part: add normal images of others"):
        split(folders(root, "parts", normal="same").train, 0.5, 0)
