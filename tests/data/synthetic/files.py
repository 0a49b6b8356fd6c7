"""What the tests of the embedded data set share: how many images they write, and how they read files."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from anomaly_lab.data.synthetic.reader import Counts

COUNTS = Counts(train=8)  # the whole test set; few training images, since these take most of the time
TINY = Counts(train=2, good=1, defective=1)


def pixels(path: Path) -> np.ndarray:
    """An image as it is in the file: (h, w, 3) BGR or (h, w)."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
