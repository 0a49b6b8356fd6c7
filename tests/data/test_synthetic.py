"""The embedded data set: layout, masks, that nothing trivial solves it, and that it is written safely."""

import hashlib
import multiprocessing
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anomaly_lab.data.synthetic import CATEGORIES, Counts, ensure
from anomaly_lab.data.synthetic.camera import radical_inverse
from anomaly_lab.data.synthetic.catalogue import CATALOGUE
from anomaly_lab.data.synthetic.write import VERSION, Item, defect_mask, plan, render
from anomaly_lab.errors import UserError

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")
COUNTS = Counts(train=8)  # the whole test set, but few training images, which take the time
TINY = Counts(train=2, good=1, defective=1)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this session's categories are; pytest-xdist's workers share it."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "synthetic"


@pytest.fixture(scope="session", params=CATEGORIES)
def folder(request: pytest.FixtureRequest, root: Path) -> Path:
    """Each category in turn."""
    return ensure(root, request.param, counts=COUNTS)


def read(path: Path) -> np.ndarray:
    """An image as it is in the file: (h, w, 3) BGR or (h, w)."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_categories_are_mvtec_names_with_textures_and_objects() -> None:
    assert set(TEXTURES) < set(CATEGORIES)
    assert len(set(CATEGORIES) - set(TEXTURES)) >= 3
    assert all(len(category.kinds) >= 4 for category in CATALOGUE.values())


def test_layout_sizes_and_masks(folder: Path) -> None:
    kinds = set(CATALOGUE[folder.name].kinds)
    assert {path.name for path in folder.iterdir()} == {"train", "test", "ground_truth"}
    assert {path.name for path in (folder / "train").iterdir()} == {"good"}
    assert {path.name for path in (folder / "test").iterdir()} == kinds | {"good"}
    assert {path.name for path in (folder / "ground_truth").iterdir()} == kinds
    assert len(list((folder / "test/good").iterdir())) == 16
    for path in folder.glob("t*/*/*.png"):
        image = read(path)
        assert image.shape == (256, 256, 3) and image.dtype == np.uint8
        mask_path = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        if path.parent.name == "good":
            assert not mask_path.exists()
            continue
        mask = read(mask_path)
        assert mask.shape == (256, 256) and set(np.unique(mask)) == {0, 255}
        assert 60 <= np.count_nonzero(mask) < 0.25 * mask.size


def test_no_two_images_are_the_same(folder: Path) -> None:
    images = digests(folder / "train") | digests(folder / "test")
    assert len(set(images.values())) == len(images)


def test_brightness_and_contrast_do_not_tell_defects(folder: Path) -> None:
    paths = sorted(folder.glob("test/*/*.png"))
    defective = [path.parent.name != "good" for path in paths]
    grey = [read(path).mean(axis=2) for path in paths]
    for statistic in (np.mean, np.std):
        area = roc_auc_score(defective, [statistic(image) for image in grey])
        assert max(area, 1 - area) < 0.7, statistic


@pytest.mark.parametrize("category", TEXTURES)
def test_distance_from_the_mean_colour_does_not_solve_a_texture(category: str, root: Path) -> None:
    folder = ensure(root, category, counts=COUNTS)
    usual = np.mean([read(path).mean(axis=(0, 1)) for path in folder.glob("train/good/*.png")], axis=0)
    masks, smoothed_distance, distance_of_smoothed = [], [], []
    for path in sorted(folder.glob("test/*/*.png")):
        image = read(path).astype(np.float32)
        mask_path = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        mask = read(mask_path) if mask_path.exists() else np.zeros(image.shape[:2], np.uint8)
        distance = np.linalg.norm(image - usual, axis=2)
        smooth = cv2.GaussianBlur(image, (0, 0), 4)
        masks.append(mask[::4, ::4] > 0)
        smoothed_distance.append(cv2.GaussianBlur(distance, (0, 0), 4)[::4, ::4])
        distance_of_smoothed.append(np.linalg.norm(smooth - usual, axis=2)[::4, ::4])
    truth = np.ravel(masks)
    assert roc_auc_score(truth, np.ravel(distance_of_smoothed)) < 0.85
    assert roc_auc_score(truth, np.ravel(smoothed_distance)) < 0.85


@pytest.mark.parametrize("category", ["carpet", "grid"])
def test_a_regular_texture_repeats(category: str) -> None:
    """Its spectrum has lines far above the rest, and the strongest one's period is at least 10 px."""
    grey = render(category, Item("train", "good", 0, 0))[1].mean(axis=2)
    spectrum = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(np.hanning(256), np.hanning(256))))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    frequency = np.hypot(np.fft.fftfreq(256)[row], np.fft.fftfreq(256)[column])
    assert 1 / frequency >= 10
    assert spectrum.max() > 100 * np.median(spectrum)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_masks_are_tight(data: st.DataObject) -> None:
    """What visibly differs from the same image without its defect is in the mask, and most of it differs."""
    category = data.draw(st.sampled_from(CATEGORIES))
    kind = data.draw(st.sampled_from(sorted(CATALOGUE[category].kinds)))
    index = data.draw(st.integers(0, 200))
    normal, defective, mask = render(category, Item("test", kind, index, index))
    difference = np.abs(normal.astype(int) - defective).max(axis=2)
    assert (mask[difference > 8] == 255).all()
    assert np.mean(difference[mask == 255] > 6) > 0.5  # least where a patch is rough: its grains pass through 0
    assert difference[mask == 255].max() > 10, "visible to an attentive human"


@settings(max_examples=30, deadline=None)
@given(index=st.integers(0, 2), top=st.integers(0, 40), left=st.integers(0, 40), step=st.integers(-60, 60))
def test_defect_mask_finds_a_changed_square(index: int, top: int, left: int, step: int) -> None:
    normal = np.full((64, 64, 3), 120, np.uint8)
    defective = normal.copy()
    defective[top : top + 20, left : left + 20, index] += np.array(step).astype(np.uint8)
    expected = np.zeros((64, 64), np.uint8)
    if abs(step) > 6:
        expected[top : top + 20, left : left + 20] = 255
    np.testing.assert_array_equal(defect_mask(normal, defective), expected)


@settings(deadline=None)
@given(count=st.integers(1, 60), base=st.sampled_from([2, 3]))
def test_exposures_fill_their_range_evenly(count: int, base: int) -> None:
    """A van der Corput sequence: its discrepancy is of the order of log(n) / n."""
    values = np.sort([radical_inverse(index, base) for index in range(count)])
    assert ((values >= 0) & (values < 1)).all()
    ranks = np.arange(count) / count
    assert np.abs(values - ranks).max() <= (np.log2(count) + 2) / count


def test_every_category_is_the_same_each_time(folder: Path) -> None:
    """Files written by another call (and maybe another process) are what `render` draws now."""
    for item in list(plan(folder.name, COUNTS))[:: 3 * COUNTS.defective]:
        _, image, mask = render(folder.name, item)
        np.testing.assert_array_equal(read(folder / item.image)[..., ::-1], image)
        if item.kind != "good":
            np.testing.assert_array_equal(read(folder / item.mask), mask)


def test_same_bytes_in_another_folder(tmp_path: Path) -> None:
    first, second = (ensure(tmp_path / name, "wood", counts=TINY) for name in ("a", "b"))
    assert digests(first) == digests(second)


def test_progress_counts_the_images(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    ensure(tmp_path, "wood", lambda done, total: calls.append((done, total)), TINY)
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    ensure(tmp_path, "wood", lambda done, total: pytest.fail("it is there already"), TINY)


def test_the_planned_counts() -> None:
    for category in CATEGORIES:
        items = list(plan(category, Counts()))
        assert sum(item.split == "train" for item in items) == 60
        assert sum(item.split == "test" and item.kind == "good" for item in items) == 16
        assert sum(item.kind != "good" for item in items) >= 24
        assert all(item.kind == "good" for item in items if item.split == "train")


@pytest.mark.parametrize("category", ["screw", "nonsense", "../carpet", ""])
def test_unknown_category(category: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(repr(category))) as caught:
        ensure(tmp_path, category)
    sentence = str(caught.value)
    assert "https://www.mvtec.com/company/research/datasets/mvtec-ad" in sentence
    assert "data=mvtec data.root=DIR" in sentence and "\n" not in sentence
    assert not list(tmp_path.iterdir())


def test_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write"):
        ensure(tmp_path / "file", "wood", counts=TINY)


def test_a_folder_of_other_images_is_left_alone(tmp_path: Path) -> None:
    """Who forgets data=mvtec must not get embedded images among their own."""
    (tmp_path / "screws/train").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds other files.*add data=mvtec"):
        ensure(tmp_path, "carpet")
    assert not (tmp_path / f"v{VERSION}").exists()


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path, "wood", interrupt, TINY)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_what_is_damaged_is_made_anew(damage: str, tmp_path: Path) -> None:
    folder = ensure(tmp_path, "wood", counts=TINY)
    before = digests(folder)
    image = folder / "train/good/001.png"
    image.unlink() if damage == "missing" else image.write_bytes(b"")
    leftover = folder.parent / ".wood-dead.part"  # of a process that was killed
    (leftover / "train").mkdir(parents=True)
    assert digests(ensure(tmp_path, "wood", counts=TINY)) == before
    assert {path.name for path in folder.parent.iterdir()} == {"wood", leftover.name}


def test_processes_that_start_together(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        folders = pool.starmap(ensure, [(tmp_path, "wood", None, TINY)] * 2, chunksize=1)
    assert folders[0] == folders[1]
    assert [path.name for path in folders[0].parent.iterdir()] == ["wood"]
    assert digests(folders[0]) == digests(ensure(tmp_path / "alone", "wood", counts=TINY))
