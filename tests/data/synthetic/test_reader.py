"""The reader of data=synthetic: layout, masks, the same bytes each time, and never half a data set."""

import multiprocessing
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.data.synthetic import reader
from anomaly_lab.data.synthetic.catalogue import KINDS
from anomaly_lab.data.synthetic.reader import VERSION, Counts, Item, defect_mask, ensure, plan, read, render
from anomaly_lab.errors import UserError
from data.synthetic.files import COUNTS, TINY, digests, pixels


def test_layout_sizes_and_masks(folder: Path) -> None:
    kinds = set(KINDS[folder.name])
    assert {path.name for path in folder.iterdir()} == {"train", "test", "ground_truth"}
    assert {path.name for path in (folder / "train").iterdir()} == {"good"}
    assert {path.name for path in (folder / "test").iterdir()} == kinds | {"good"}
    assert {path.name for path in (folder / "ground_truth").iterdir()} == kinds
    assert len(list((folder / "test/good").iterdir())) == 16
    for path in folder.glob("t*/*/*.png"):
        image = pixels(path)
        assert image.shape == (256, 256, 3) and image.dtype == np.uint8
        mask_path = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        if path.parent.name == "good":
            assert not mask_path.exists()
            continue
        mask = pixels(mask_path)
        assert mask.shape == (256, 256) and set(np.unique(mask)) == {0, 255}
        assert 60 <= np.count_nonzero(mask) < 0.25 * mask.size


def test_no_two_images_are_the_same(folder: Path) -> None:
    images = digests(folder / "train") | digests(folder / "test")
    assert len(set(images.values())) == len(images)


@settings(max_examples=25)
@given(data=st.data())
def test_masks_are_tight(data: st.DataObject) -> None:
    """The mask has every pixel that visibly differs from the image without the defect, and few others."""
    category = data.draw(st.sampled_from(sorted(KINDS)))
    kind = data.draw(st.sampled_from(sorted(KINDS[category])))
    index = data.draw(st.integers(0, 200))
    normal, defective, mask = render(category, Item("test", kind, index, index))
    difference = np.abs(normal.astype(int) - defective).max(axis=2)
    assert (mask[difference > 8] == 255).all()
    assert np.mean(difference[mask == 255] > 6) > 0.5  # lowest for rough patches: their grains cross 0
    assert difference[mask == 255].max() >= 10, "visible to an attentive human"


@settings(max_examples=30)
@given(index=st.integers(0, 2), top=st.integers(0, 40), left=st.integers(0, 40), step=st.integers(-60, 60))
def test_defect_mask_finds_a_changed_square(index: int, top: int, left: int, step: int) -> None:
    normal = np.full((64, 64, 3), 120, np.uint8)
    defective = normal.copy()
    defective[top : top + 20, left : left + 20, index] += np.array(step).astype(np.uint8)
    expected = np.zeros((64, 64), np.uint8)
    if abs(step) > 6:
        expected[top : top + 20, left : left + 20] = 255
    np.testing.assert_array_equal(defect_mask(normal, defective), expected)


def test_every_category_is_the_same_each_time(folder: Path) -> None:
    """Files that another call (or another process) has written equal what `render` draws now."""
    for item in list(plan(folder.name, COUNTS))[:: 3 * COUNTS.defective]:
        _, image, mask = render(folder.name, item)
        np.testing.assert_array_equal(pixels(folder / item.image)[..., ::-1], image)
        if item.kind != "good":
            np.testing.assert_array_equal(pixels(folder / item.mask), mask)


def test_same_bytes_in_another_folder(tmp_path: Path) -> None:
    first, second = (ensure(tmp_path / name, "wood", TINY) for name in ("a", "b"))
    assert digests(first) == digests(second)


def test_progress_counts_the_images(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    ensure(tmp_path, "wood", TINY, lambda done, total: calls.append((done, total)))
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    ensure(tmp_path, "wood", TINY, lambda done, total: pytest.fail("the category exists already"))


def test_the_planned_counts() -> None:
    for category in KINDS:
        items = list(plan(category, Counts()))
        assert sum(item.split == "train" for item in items) == 60
        assert sum(item.split == "test" and item.kind == "good" for item in items) == 16
        assert sum(item.kind != "good" for item in items) >= 24
        assert all(item.kind == "good" for item in items if item.split == "train")


@pytest.mark.parametrize("category", ["screw", "nonsense", "../carpet", ""])
def test_unknown_category(category: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(repr(category))) as caught:
        read(tmp_path, category)
    sentence = str(caught.value)
    assert "https://www.mvtec.com/company/research/datasets/mvtec-ad" in sentence
    assert "data=mvtec data.root=DIR" in sentence and "\n" not in sentence
    assert not list(tmp_path.iterdir())


def test_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write"):
        ensure(tmp_path / "file", "wood", TINY)


def test_a_folder_of_other_images_is_left_alone(tmp_path: Path) -> None:
    """A user who forgets data=mvtec must not find embedded images among their own."""
    (tmp_path / "screws/train").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds other files.*add data=mvtec"):
        read(tmp_path, "carpet")
    assert not (tmp_path / f"v{VERSION}").exists()


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path, "wood", TINY, interrupt)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_a_damaged_category_is_written_again(damage: str, tmp_path: Path) -> None:
    folder = ensure(tmp_path, "wood", TINY)
    before = digests(folder)
    image = folder / "train/good/001.png"
    image.unlink() if damage == "missing" else image.write_bytes(b"")
    leftover = folder.parent / ".wood-dead.part"  # from a process that was killed
    (leftover / "train").mkdir(parents=True)
    assert digests(ensure(tmp_path, "wood", TINY)) == before
    assert {path.name for path in folder.parent.iterdir()} == {"wood", leftover.name}


def test_processes_that_start_together(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        folders = pool.starmap(ensure, [(tmp_path, "wood", TINY)] * 2, chunksize=1)
    assert folders[0] == folders[1]
    assert [path.name for path in folders[0].parent.iterdir()] == ["wood"]
    assert digests(folders[0]) == digests(ensure(tmp_path / "alone", "wood", TINY))


def test_the_embedded_images_are_generated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "Counts", lambda: TINY)
    found = read(tmp_path, "carpet")
    stamps = [sample.path.stat().st_mtime_ns for sample in found.train]
    assert (found.name, len(found.train)) == ("carpet", 2)
    assert {sample.defect for sample in found.test} > {"good"}
    again = read(tmp_path, "carpet")
    assert again == found and [sample.path.stat().st_mtime_ns for sample in again.train] == stamps
