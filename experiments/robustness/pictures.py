"""Small images, masks and categories for the cases. Everything follows from its name and number: no draw is random."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 64
Pixels = np.ndarray


def picture(number: int = 0, size: tuple[int, int] = (SIDE, SIDE), defect: bool = False) -> tuple[Pixels, Pixels]:
    """(h, w, 3) uint8 of a woven texture, and (h, w) uint8, 255 in the bright disc of a defect."""
    rng, (h, w) = np.random.default_rng(number), size
    rows, columns = np.mgrid[:h, :w]
    grey = 120 + 30 * np.sin(columns / 3) + 30 * np.sin(rows / 4) + rng.normal(0, 6, size)
    mask = np.zeros(size, np.uint8)
    if defect:
        radius, shift = max(2, min(h, w) // 6), number % 5
        mask[(rows - h // 2 + shift) ** 2 + (columns - w // 2 - shift) ** 2 <= radius**2] = 255
        grey[mask > 0] = 240
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


def put(path: Path, pixels: Pixels | Image.Image, **options: Any) -> Path:
    """Write an image file; its suffix says the format, unless `options` do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def put_bytes(path: Path, content: bytes) -> Path:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def category(
    folder: Path,
    train: int = 6,
    good: int = 2,
    bad: int = 2,
    suffix: str = ".png",
    size: tuple[int, int] = (SIDE, SIDE),
    normal: str = "good",
    kind: str = "dent",
    mask: str = "{}_mask.png",
    mask_of: Callable[[Pixels], Any] = lambda mask: mask,
    **options: Any,
) -> Path:
    """A category in MVTec AD's layout. `mask`: the name of the mask of "000" with {} for the stem; empty for none."""
    first = zlib.crc32(folder.name.encode(errors="surrogateescape")) % 1000 * 1000
    for i in range(train):
        put(folder / "train" / normal / f"{i:03d}{suffix}", picture(first + i, size)[0], **options)
    for i in range(good):
        put(folder / "test" / normal / f"{i:03d}{suffix}", picture(first + 100 + i, size)[0], **options)
    for i in range(bad):
        pixels, truth = picture(first + 200 + i, size, defect=True)
        put(folder / "test" / kind / f"{i:03d}{suffix}", pixels, **options)
        if mask:
            put(folder / "ground_truth" / kind / mask.format(f"{i:03d}"), mask_of(truth))
    return folder
