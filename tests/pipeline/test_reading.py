"""Reading ahead: in order, a few images at a time."""

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.pipeline import reading
from anomaly_lab.pipeline.reading import in_order, opened
from anomaly_lab.pipeline.saved import Opened


def write(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{i}.png" for i in range(count)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((4, 5), i, np.uint8))
    return paths


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_images_come_in_their_order_and_bad_ones_with_a_reason(tmp_path: Path, workers: int) -> None:
    paths = write(tmp_path, 9)
    paths[3].write_bytes(b"none")
    paths[5].unlink()
    found = list(opened(paths, Preprocessing(), workers))
    assert [path for path, _ in found] == paths
    for i, (_, item) in enumerate(found):
        if i in (3, 5):
            assert isinstance(item, str) and paths[i].name in item
        else:
            assert isinstance(item, Opened) and item.size == (4, 5) and (item.stored == i).all()


def test_few_images_are_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the stream is, so that memory stays the same."""
    paths, read, lock = write(tmp_path, 30), [], threading.Lock()
    original = reading.read_image

    def counted(path: Path) -> np.ndarray:
        with lock:
            read.append(path)
        return original(path)

    monkeypatch.setattr(reading, "read_image", counted)
    for done, _ in enumerate(opened(paths, Preprocessing(), 2), 1):
        assert len(read) <= done + 2


def test_results_keep_the_order_of_the_items_whatever_each_takes() -> None:
    """And `begin` is called once in each thread, before its first item."""
    begun, lock = [], threading.Lock()

    def begin() -> None:
        with lock:
            begun.append(threading.get_ident())

    def slow(item: int) -> int:
        assert threading.get_ident() in begun
        time.sleep(0.05 if item % 3 == 0 else 0)
        return item

    assert list(in_order(slow, range(20), 3, begin)) == list(range(20))
    assert len(begun) == len(set(begun)) <= 3


def test_an_item_alone_has_nothing_beside_it() -> None:
    lock, under_way = threading.Lock(), set[int]()

    def work(item: int) -> int:
        with lock:
            under_way.add(item)
            assert item != 5 or under_way == {5}
        time.sleep(0.01)
        with lock:
            assert 5 not in under_way or item == 5
            under_way.discard(item)
        assert (threading.current_thread() is threading.main_thread()) == (item == 5)
        return item

    assert list(in_order(work, range(9), 3, alone=lambda item: item == 5)) == list(range(9))


@pytest.mark.parametrize("ending", ["closed", "failed"])
def test_what_is_not_begun_is_left_undone(ending: str) -> None:
    """Ctrl-C and errors must not wait for decisions that nobody wants."""
    done, hold = [], threading.Event()

    def work(item: int) -> int:
        if item == 0:
            if ending == "failed":
                raise ValueError("item 0")
            return 0
        hold.wait(5)
        done.append(item)
        return item

    found = in_order(work, range(50), 2)
    start = time.monotonic()
    if ending == "failed":
        with pytest.raises(ValueError, match="item 0"):
            next(found)
    else:
        assert next(found) == 0
        found.close()
    assert time.monotonic() - start < 4, "it does not wait for what runs"
    hold.set()
    time.sleep(0.2)
    assert len(done) <= 2
