"""The files of a category: the layouts that are accepted, and the message for each mistake."""

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import real_data, write_category

from anomaly_lab.data import folder as folder_module
from anomaly_lab.data.folder import Category, Sample, first_of_each_kind, read, scan, verify
from anomaly_lab.errors import UserError


def write(path: Path, value: int = 9, size: tuple[int, int] = (6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(size, value, np.uint8))
    return path


@pytest.fixture
def nut(tmp_path: Path) -> Path:
    """The folder of a small, complete category "nut"; its files are made in no particular order."""
    folder = tmp_path / "nut"
    for name in ("train/good/001.png", "train/good/000.JPG", "test/good/000.png"):
        write(folder / name)
    for name in ("test/hole/001.png", "test/hole/000.bmp", "test/crack/000.TIF"):
        write(folder / name)
    for name in ("hole/000_mask.png", "hole/001.tiff", "crack/000_mask.png"):
        write(folder / "ground_truth" / name, value=1)
    return folder


def names(samples: tuple[Sample, ...], folder: Path) -> list[str]:
    return [sample.path.relative_to(folder).as_posix() for sample in samples]


def scan_error(root: Path, category: str) -> str:
    with pytest.raises(UserError) as caught:
        scan(root, category)
    return str(caught.value)


def test_complete_category(nut: Path) -> None:
    category = scan(nut.parent, "nut")
    assert (category.name, category.root) == ("nut", nut)
    assert names(category.train, nut) == ["train/good/000.JPG", "train/good/001.png"]
    expected = ["test/crack/000.TIF", "test/good/000.png", "test/hole/000.bmp", "test/hole/001.png"]
    assert names(category.test, nut) == expected
    assert [sample.defect for sample in category.test] == ["crack", "good", "hole", "hole"]
    assert [sample.label for sample in category.test] == [1, 0, 1, 1]
    masks = [sample.mask and sample.mask.relative_to(nut / "ground_truth") for sample in category.test]
    assert masks == [Path("crack/000_mask.png"), None, Path("hole/000_mask.png"), Path("hole/001.tiff")]
    assert all(sample == Sample(sample.path, "good", None) and sample.label == 0 for sample in category.train)


def test_order_is_that_of_posix_paths(nut: Path) -> None:
    write(nut / "test" / "hole-2" / "000.png")  # before hole/000.bmp, since "-" sorts before "/"
    for stem in ("10", "9", "b", "A"):
        write(nut / "train" / "good" / f"{stem}.png")
    category = scan(nut.parent, "nut")
    for samples in (category.train, category.test):
        order = names(samples, nut)
        assert order == sorted(order)


@pytest.mark.parametrize(
    "name",
    [
        "train/good/Thumbs.db",
        "train/good/.hidden.png",
        "train/good/notes.txt",
        "train/good/folder.png/000.png",
        "train/bad/000.png",
        "test/.ipynb_checkpoints/000.png",
        "test/hole/._000.png",
        "test/readme.txt",
        "ground_truth/hole/.DS_Store",
        "ground_truth/.cache/000.png",
        "ground_truth/good/000_mask.png",
        "licence.png",
    ],
)
def test_other_files_are_ignored(nut: Path, name: str) -> None:
    before = scan(nut.parent, "nut")
    (nut / name).parent.mkdir(parents=True, exist_ok=True)
    (nut / name).write_bytes(b"no image")
    assert scan(nut.parent, "nut") == before


def test_test_folder_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path / "nut" / "train" / "good" / "000.png")
    assert scan(tmp_path, "nut").test == ()


def test_kind_of_defect_without_ground_truth(nut: Path) -> None:
    write(nut / "test" / "dent" / "000.png")
    dent = [sample for sample in scan(nut.parent, "nut").test if sample.defect == "dent"]
    assert [(sample.label, sample.mask) for sample in dent] == [(1, None)]


def test_stem_that_ends_in_mask(nut: Path) -> None:
    write(nut / "test" / "crack" / "face_mask.png")
    mask = write(nut / "ground_truth" / "crack" / "face_mask.png")
    samples = scan(nut.parent, "nut").test
    assert [sample.mask for sample in samples if sample.path.stem == "face_mask"] == [mask]


def test_missing_root(tmp_path: Path) -> None:
    message = scan_error(tmp_path / "none", "nut")
    assert message.startswith(f"{tmp_path / 'none'} is not a folder: set data.root")


def test_missing_category_lists_the_others(nut: Path) -> None:
    write(nut.parent / "bolt" / "train" / "good" / "000.png")
    (nut.parent / "papers").mkdir()
    assert scan_error(nut.parent, "nuts").endswith("no category nuts: set category.name to one of bolt, nut")


def test_missing_category_among_none(tmp_path: Path) -> None:
    assert scan_error(tmp_path, "nut") == f"{tmp_path} has no category nut: point data.root to where it is"


def test_root_that_is_a_category(nut: Path) -> None:
    message = scan_error(nut, "nut")
    assert f"point data.root to its parent, {nut.parent}, and set category.name to nut" in message


def test_missing_training_folder(tmp_path: Path) -> None:
    write(tmp_path / "nut" / "test" / "good" / "000.png")
    good = tmp_path / "nut" / "train" / "good"
    assert scan_error(tmp_path, "nut").startswith(f"{good} is missing: put")
    good.mkdir(parents=True)
    (good / "notes.txt").touch()
    assert scan_error(tmp_path, "nut").startswith(f"{good} has no images: put")


def test_mask_without_image(nut: Path) -> None:
    mask = write(nut / "ground_truth" / "hole" / "007_mask.png")
    assert scan_error(nut.parent, "nut").startswith(f"{mask} has no image in test/hole: name it as")


def test_masks_of_a_kind_without_images(nut: Path) -> None:
    mask = write(nut / "ground_truth" / "dent" / "000_mask.png")
    assert scan_error(nut.parent, "nut").startswith(f"{mask} has no image in test/dent: name it as")


def test_an_image_may_lack_a_mask_that_others_have(nut: Path) -> None:
    write(nut / "test" / "hole" / "007.png")
    masks = {sample.path.name: sample.mask for sample in scan(nut.parent, "nut").test if sample.defect == "hole"}
    assert masks["007.png"] is None and masks["001.png"] is not None


@pytest.mark.parametrize("name", ["000.png", "000_mask.bmp"])
def test_two_masks_of_one_image(nut: Path, name: str) -> None:
    mask = write(nut / "ground_truth" / "hole" / name)
    message = scan_error(nut.parent, "nut")
    assert "000.bmp has two masks" in message
    assert str(mask) in message


@pytest.mark.parametrize("folder", ["train/good", "test/good", "test/hole"])
def test_images_that_share_a_stem(nut: Path, folder: str) -> None:
    write(nut / folder / "000.jpeg")
    assert "share the stem 000: rename" in scan_error(nut.parent, "nut")


def test_image_directly_in_test(nut: Path) -> None:
    image = write(nut / "test" / "000.png")
    assert scan_error(nut.parent, "nut").startswith(f"{image} lies outside")


def test_verify_accepts_and_shows_its_progress(nut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[tuple[int, str, int]] = []

    def watched(items: Iterable[object], what: str, total: int) -> list[object]:
        seen = list(items)
        bars.append((len(seen), what, total))
        return seen

    monkeypatch.setattr(folder_module, "watched", watched)
    category = scan(nut.parent, "nut")
    verify(category.train + category.test)
    verify(category.train)
    verify(())
    assert bars == [(count, "Checking images", count) for count in (6, 2, 0)]


def empty(nut: Path) -> Path:
    path = nut / "train" / "good" / "001.png"
    path.write_bytes(b"")
    return path


def truncated(nut: Path) -> Path:
    path = nut / "test" / "good" / "000.png"
    path.write_bytes(path.read_bytes()[:-20])
    return path


def dangling(nut: Path) -> Path:
    path = nut / "train" / "good" / "002.png"
    path.symlink_to(nut / "gone.png")
    return path


def small_mask(nut: Path) -> Path:
    return write(nut / "ground_truth" / "hole" / "000_mask.png", value=1, size=(6, 7))


def blank_mask(nut: Path) -> Path:
    return write(nut / "ground_truth" / "hole" / "000_mask.png", value=0)


def truncated_mask(nut: Path) -> Path:
    path = nut / "ground_truth" / "hole" / "000_mask.png"
    path.write_bytes(path.read_bytes()[:-20])
    return path


@pytest.mark.parametrize("spoil", [empty, truncated, dangling, small_mask, blank_mask, truncated_mask])
def test_verify_names_the_bad_file(nut: Path, spoil: Callable[[Path], Path]) -> None:
    path = spoil(nut)
    category = scan(nut.parent, "nut")
    with pytest.raises(UserError) as caught:
        verify(category.train + category.test)
    assert str(caught.value).startswith(f"{path} ")
    assert "at fault" not in str(caught.value)


def test_verify_counts_the_other_bad_files(nut: Path) -> None:
    first = empty(nut)
    truncated(nut)
    blank_mask(nut)
    category = scan(nut.parent, "nut")
    with pytest.raises(UserError, match=r"\(and 2 more at fault\)$") as caught:
        verify(category.train + category.test)
    assert str(caught.value).startswith(f"{first} is empty")


def test_the_first_sample_of_each_kind(nut: Path) -> None:
    """Kinds come in alphabetical order, samples of one kind in the given order."""
    samples = scan(nut.parent, "nut").test
    assert names(tuple(first_of_each_kind(reversed(samples), 9)), nut) == [
        "test/crack/000.TIF",
        "test/good/000.png",
        "test/hole/001.png",
    ]
    assert first_of_each_kind(samples, 2) == [samples[0], samples[1]]


def count(category: Category) -> tuple[int, int, int, int]:
    labels = [sample.label for sample in category.test]
    masks = sum(sample.mask is not None for sample in category.test)
    return len(category.train), labels.count(0), labels.count(1), masks


@pytest.mark.skipif(real_data() is None, reason="no real data: set ANOMALY_LAB_REAL_DATA to their folder")
@pytest.mark.parametrize(
    ("name", "counts"),
    [  # training images; normal test images, defective ones, masks: as in the data's README
        ("grid_mini", (7, 3, 11, 11)),
        ("screw_512", (320, 41, 119, 119)),
        ("aitex_fabric_01", (154, 77, 20, 20)),
        ("aitex_fabric_03", (154, 66, 74, 74)),
        ("magnetic_tile", (762, 190, 388, 388)),
        ("hazelnut_toy", (28, 6, 17, 17)),
    ],
)
def test_real_data(name: str, counts: tuple[int, int, int, int]) -> None:
    root = real_data()
    assert root is not None
    category = scan(root, name)
    assert count(category) == counts
    if name in ("grid_mini", "hazelnut_toy"):  # the others take longer than a test should
        verify(category.train + category.test)


def test_a_record_names_the_reader(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    found = read({"_target_": "anomaly_lab.data.folder.scan"}, tmp_path, "stripes")
    assert (found.name, len(found.train), len(found.test)) == ("stripes", 6, 7)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_category(tmp_path / "stripes")
    found = read({"_target_": "anomaly_lab.data.folder.scan"}, tmp_path, "stripes")
    verify(found.train)
    found.train[2].path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"002\.png is no complete image file"):
        verify(found.train)


@pytest.mark.parametrize("name", ["Good", "GOOD"])
def test_good_in_any_case_is_normal(nut: Path, name: str) -> None:
    for part in ("train", "test"):
        (nut / part / "good").rename(nut / part / name)
    category = scan(nut.parent, "nut")
    assert {sample.defect: sample.label for sample in category.test} == {"good": 0, "crack": 1, "hole": 1}
    assert len(category.train) == 2
    with pytest.raises(UserError, match=r"has no category bolt: set category\.name to one of nut"):
        scan(nut.parent, "bolt")


@pytest.mark.parametrize("name", ["ok", "OK", "normal", "Normal", "defect-free", "no_defect", "OK_2"])
def test_another_name_for_normal_images_is_refused(nut: Path, name: str) -> None:
    (nut / "test" / "good").rename(nut / "test" / name)
    assert scan_error(nut.parent, "nut").startswith(f"{nut / 'test' / name} is named like normal images, which belong in good")
    (nut / "test" / name).rename(nut / "test" / "good")
    (nut / "train" / "good").rename(nut / "train" / name)
    assert scan_error(nut.parent, "nut").startswith(f"{nut / 'train' / name} is named like normal images")


def test_a_kind_without_masks_is_refused_where_others_have_them_and_none_is_normal(nut: Path) -> None:
    (nut / "test" / "good").rename(nut / "test" / "okeh")
    assert scan_error(nut.parent, "nut").startswith(f"{nut / 'test' / 'okeh'} has no masks, other kinds have")
    write(nut / "test" / "good" / "000.png")
    assert {s.defect: s.label for s in scan(nut.parent, "nut").test}["okeh"] == 1


def test_two_folders_of_normal_images_are_refused(nut: Path) -> None:
    write(nut / "test" / "Good" / "005.png")
    if len(list((nut / "test").iterdir())) < 4:
        pytest.skip("this disk does not tell upper from lower case")
    assert "two folders of normal images" in scan_error(nut.parent, "nut")


def test_images_that_the_layout_does_not_reach_are_counted(nut: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(nut / "ground_truth" / "good" / "000_mask.png")
    write(nut / ".cache" / "000.png")
    reader = {"_target_": "anomaly_lab.data.folder.scan"}
    read(reader, nut.parent, "nut")
    assert not caplog.messages
    for name in (
        "train/good/night/000.png",
        "train/bad/000.png",
        "test/hole/camera_2/000.webp",
        "test_public/good/000.JPG",
        "0.tif",
    ):
        (nut / name).parent.mkdir(parents=True, exist_ok=True)
        (nut / name).write_bytes(b"an image")
    for _ in range(2):
        read(reader, nut.parent, "nut")
    (message,) = caplog.messages
    assert message.startswith(f"5 images below {nut} are not used, such as {nut / '0.tif'}:")


def test_names_are_compared_in_one_normal_form(nut: Path) -> None:
    write(nut / "test" / "hole" / f"{unicodedata.normalize('NFC', 'größe')}.png")
    mask = write(nut / "ground_truth" / "hole" / f"{unicodedata.normalize('NFD', 'größe')}_mask.png")
    assert mask in [sample.mask for sample in scan(nut.parent, "nut").test]


def test_folders_are_compared_in_one_normal_form(nut: Path) -> None:
    composed, taken_apart = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    (nut / "test" / "hole").rename(nut / "test" / composed)
    (nut / "ground_truth" / "hole").rename(nut / "ground_truth" / taken_apart)
    nut.rename(nut.with_name(taken_apart))
    found = scan(nut.parent, composed)
    masked = [sample.mask is not None for sample in found.test if sample.defect == composed]
    assert masked and all(masked)


@pytest.mark.parametrize("name", [".", "..", "", "nut/", "../nut", "/nut", "nut/."])
def test_a_category_is_a_name_below_the_root(nut: Path, name: str) -> None:
    assert scan_error(nut.parent, name).startswith(f"category.name is '{name}': it must be the name of a folder in")


def test_images_in_formats_that_are_not_read_are_told(nut: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(3):
        (nut / "train" / "good" / f"{i}.HEIC").write_bytes(b"an image")
    read({"_target_": "anomaly_lab.data.folder.scan"}, nut.parent, "nut")
    assert caplog.messages[0].startswith(f"3 images below {nut} are not used, such as {nut / 'train/good/0.HEIC'}")
    for path in (nut / "train" / "good").iterdir():
        if path.suffix != ".HEIC":
            path.unlink()
    assert "train/good has no images but 3 in formats that are not read, such as 0.HEIC" in scan_error(nut.parent, "nut")
