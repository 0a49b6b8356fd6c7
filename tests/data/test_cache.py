"""The cache of decoded images: one copy per machine, never half written, bounded, safe for many processes at once."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import small_data, write_category

from anomaly_lab.data import cache as cache_module
from anomaly_lab.data import datamodule
from anomaly_lab.data import folder as folder_module
from anomaly_lab.data.cache import ImageCache
from anomaly_lab.data.images import read_image
from anomaly_lab.errors import UserError

IMAGE = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


def cache_in(folder: Path, gib: float = 1.0) -> ImageCache:
    return ImageCache(folder / "cache", gib)


def source(folder: Path, content: bytes = b"image") -> Path:
    path = folder / "image.png"
    path.write_bytes(content)
    return path


def never() -> np.ndarray:
    raise AssertionError("the image is decoded again")


def test_images_with_the_same_content_are_decoded_once(tmp_path: Path) -> None:
    path, cache = source(tmp_path), cache_in(tmp_path)
    first = cache.get(path, (8, 6), lambda: IMAGE)
    np.testing.assert_array_equal(first, IMAGE)
    assert isinstance(first, np.memmap) and not first.flags.writeable
    moved = path.rename(tmp_path / "moved.png")
    np.testing.assert_array_equal(cache_in(tmp_path).get(moved, (8, 6), never), IMAGE)


def test_another_content_or_size_is_another_image(tmp_path: Path) -> None:
    cache, path = cache_in(tmp_path), source(tmp_path)
    cache.get(path, (8, 6), lambda: IMAGE)
    assert cache.get(path, (4, 6), lambda: IMAGE[:4]).shape == (4, 6, 3)
    np.testing.assert_array_equal(cache.get(source(tmp_path, b"other"), (8, 6), lambda: IMAGE + 1), IMAGE + 1)
    np.testing.assert_array_equal(cache.get(source(tmp_path), (8, 6), never), IMAGE)
    np.testing.assert_array_equal(cache.get(source(tmp_path), (8, 6), lambda: IMAGE + 2, "aligned"), IMAGE + 2)
    np.testing.assert_array_equal(cache.get(source(tmp_path), (8, 6), never), IMAGE)


def test_the_limit_on_open_files_is_raised_as_far_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mapped image keeps one file open, and a process without free file numbers cannot start another process."""
    limits = {"now": (1024, 4096)}
    monkeypatch.setattr(cache_module.resource, "getrlimit", lambda which: limits["now"])

    def set_limits(which: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > wanted[1]:
            raise ValueError("not allowed to raise maximum limit")
        limits["now"] = wanted

    monkeypatch.setattr(cache_module.resource, "setrlimit", set_limits)
    assert cache_module.can_keep_open(100) and limits["now"] == (1024, 4096), "the limit suffices as it is"
    assert cache_module.can_keep_open(1500) and limits["now"][0] >= 3000
    assert not cache_module.can_keep_open(5000)


def test_images_that_cannot_all_be_kept_open_are_not_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "can_keep_open", lambda files: False)
    write_category(tmp_path / "data/stripes")
    data = small_data(tmp_path / "data", cache={"folder": str(tmp_path / "cache"), "gib": 1.0})
    data.setup()
    assert data.image_cache is None
    assert next(iter(data.train_dataloader()))["X"].shape == (2, 3, 64, 64)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"nothing of the kind", None])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    cache, path = cache_in(tmp_path), source(tmp_path)
    cache.get(path, (8, 6), lambda: IMAGE)
    (kept,) = cache.folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:-5] if damage is None else damage)
    np.testing.assert_array_equal(cache.get(path, (8, 6), lambda: IMAGE), IMAGE)
    np.testing.assert_array_equal(cache.get(path, (8, 6), never), IMAGE)


def test_it_is_bounded_and_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, gib=3.5 * 100_000 / 2**30)
    image = np.zeros((100, 333, 3), np.uint8)
    paths = []
    for i in range(5):
        paths.append(tmp_path / f"{i}.png")
        paths[-1].write_bytes(bytes([i]))
        cache.get(paths[-1], (100, 333), lambda: image)
        newest = max(cache.folder.iterdir(), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (i, i))
    held = cache.get(paths[0], (100, 333), never)  # the oldest image is used again
    debris = [cache.folder / ".a.part.npy", cache.folder / ".b.part.npy"]
    for path in debris:
        path.write_bytes(b"half")
    os.utime(debris[0], (0, 0))
    cache.trim()
    assert not debris[0].exists() and debris[1].exists(), "a file that is being written stays"
    assert sum(path.stat().st_size for path in cache.folder.glob("*.npy")) <= cache.limit
    for path in (paths[0], paths[3], paths[4]):
        cache.get(path, (100, 333), never)
    with pytest.raises(AssertionError):
        cache.get(paths[1], (100, 333), never)
    for path in cache.folder.iterdir():
        path.unlink()
    assert held.sum() == 0, "a file that is open stays readable after its removal"


def test_many_at_once_get_the_same(tmp_path: Path) -> None:
    path = source(tmp_path)

    def get(i: int) -> np.ndarray:
        cache = cache_in(tmp_path, gib=1e-9 if i % 3 == 0 else 1.0)
        image = cache.get(path, (8, 6), lambda: IMAGE.copy())
        cache.trim()
        return np.array(image)

    with ThreadPoolExecutor(8) as pool:
        for image in pool.map(get, range(60)):
            np.testing.assert_array_equal(image, IMAGE)


def test_a_process_that_is_killed_while_it_writes_leaves_nothing_that_is_used(tmp_path: Path) -> None:
    path = source(tmp_path)
    code = """
import os, signal, sys
from pathlib import Path
import numpy as np
from anomaly_lab.data.cache import ImageCache
def half(file, array):
    Path(file).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
np.save = half
ImageCache(Path(sys.argv[1]), 1.0).get(Path(sys.argv[2]), (8, 6), lambda: np.zeros((8, 6, 3), np.uint8))
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "cache"), str(path)])
    assert killed.returncode == -9
    cache = cache_in(tmp_path)
    np.testing.assert_array_equal(cache.get(path, (8, 6), lambda: IMAGE), IMAGE)
    assert len(list(cache.folder.iterdir())) == 2
    for debris in cache.folder.glob("*.part.npy"):
        os.utime(debris, (time.time() - 2 * 24 * 3600,) * 2)
    cache.trim()
    assert len(list(cache.folder.glob("*"))) == 1


def test_without_room_or_permission_images_are_decoded_at_each_use(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    np.testing.assert_array_equal(cache_in(tmp_path).get(source(tmp_path), (8, 6), lambda: IMAGE), IMAGE)


@pytest.mark.parametrize("sizes", [((64, 64),), ((70, 50), (64, 64))])
@pytest.mark.parametrize("contrast", ["none", "image"])
def test_training_samples_are_the_same_with_and_without_the_cache(
    tmp_path: Path, contrast: str, sizes: tuple[tuple[int, int], ...]
) -> None:
    write_category(tmp_path / "data/stripes", sizes=sizes)

    def samples(**changes: object) -> list:
        data = small_data(tmp_path / "data", contrast=contrast, image_size=48, train_size=32, **changes)
        data.setup()
        return [value for batch in data.train_dataloader() for value in batch.values()]

    plain = samples()
    folder = tmp_path / "cache"
    for _ in range(2):
        cached = samples(cache={"folder": str(folder), "gib": 1.0})
        assert all((a == b).all() for a, b in zip(plain, cached, strict=True))
    assert len(list(folder.rglob("*.npy"))) == 6
    samples(cache={"folder": str(tmp_path / "small"), "gib": 1e-6})
    assert not list((tmp_path / "small").rglob("*.npy")), "a data set that does not fit is decoded at each use"


def test_files_are_checked_once_on_a_machine_until_one_of_them_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_category(tmp_path / "data/stripes")
    checked = set()

    def read(path: Path) -> np.ndarray:
        checked.add(path)
        return read_image(path)

    monkeypatch.setattr(folder_module, "read_image", read)
    count = len([*folder.glob("t*/*/*.png")])

    def setup(**changes: object) -> int:
        """How many times all images are checked, 0 or 1."""
        checked.clear()
        small_data(tmp_path / "data", **changes).setup()
        assert len(checked) in (0, count)
        return len(checked) // count

    cache = {"folder": str(tmp_path / "cache"), "gib": 1.0}
    assert [setup(cache=cache), setup(cache=cache), setup(cache=cache, image_size=48)] == [1, 0, 0]
    assert [setup(), setup(cache=cache | {"gib": 0})] == [1, 1], "without a cache, files are always checked"
    image = next((folder / "test/hole").iterdir())
    image.write_bytes(next((folder / "test/stain").iterdir()).read_bytes())
    assert [setup(cache=cache), setup(cache=cache)] == [1, 0]
    image.rename(image.with_stem("renamed"))
    mask = folder / "ground_truth/hole" / f"{image.stem}_mask.png"
    mask.rename(mask.with_stem("renamed_mask"))
    assert setup(cache=cache) == 1


def test_files_at_fault_are_not_taken_for_checked(tmp_path: Path) -> None:
    folder = write_category(tmp_path / "data/stripes")
    next((folder / "train/good").iterdir()).write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(UserError, match="no complete image"):
            small_data(tmp_path / "data", cache={"folder": str(tmp_path / "cache"), "gib": 1.0}).setup()


def test_without_a_home_directory_nothing_is_cached(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert cache_module.image_cache("~/images", 1) is not None
    assert cache_module.image_cache("~/images", 0) is None and not caplog.messages

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert cache_module.image_cache("~/images", 1) is None
    assert "set ANOMALY_LAB_CACHE to a folder" in caplog.text
    assert cache_module.image_cache("/images", 1) is not None
