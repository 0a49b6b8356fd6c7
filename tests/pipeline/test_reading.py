"""Reading ahead: in order, a few images at a time."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.pipeline import reading
from anomaly_lab.pipeline.reading import opened
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
