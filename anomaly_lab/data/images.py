"""Read image and mask files; change the size and the value range of images. An image is (height, width, channels)."""

import functools
import stat
import struct
from pathlib import Path

import cv2
import numpy as np

from anomaly_lab.data.names import IMAGE_SUFFIXES
from anomaly_lab.data.shades import NUMBERED, OPEN, meaning
from anomaly_lab.errors import UserError

# A UserError names each broken file; without its name, OpenCV's own messages are of no use.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# OpenCV's thread pool does not survive the fork of a data-loading worker: the worker's first call that uses the pool hangs
# for ever. Our own threads and the workers read images in parallel, so the pool is switched off.
cv2.setNumThreads(0)

# Grey or colour, 8 or 16 bits, as in the file; alpha is dropped; EXIF orientation is not applied.
_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION

# A PNG file begins with: signature, length of the first chunk, "IHDR", width, height, bit depth, colour type.
_PNG_HEADER = struct.Struct(">8s4x4sIIBB")

LOSSY = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".webp"})  # near an edge, such a mask has values that nobody drew


def read_image(path: Path) -> np.ndarray:
    """The stored pixels of a PNG, JPEG, WebP, BMP, TIFF or PNM file: (H, W, 1) if grey, else (H, W, 3) RGB; uint8 or uint16.

    - A file counts as colour even where its three channels are equal, and so does a palette.
    - Alpha is ignored: the colours are those stored beneath it. (OpenCV blends those of an 8-bit RGBA TIFF with black.)
    - EXIF orientation is ignored, because masks are drawn on the stored pixels and have no EXIF tag. A TIFF's own orientation
      tag belongs to its pixel layout; it is applied to images and masks alike.
    - Of a file with several pages, the first is read.

    UserError where the file cannot be read, is empty, incomplete or no image, or has signed, 32-bit or floating-point pixels.
    """
    data = _read_bytes(path)
    try:
        pixels = cv2.imdecode(data, _AS_STORED)
    except cv2.error as error:  # the header announces a side over 2**20 or over 2**28 pixels in all
        raise UserError(f"{path} is too large to decode, or damaged: cut it into tiles or copy it again") from error
    if pixels is None:
        raise UserError(f"{path} is no complete image file: copy it again from its source, save it as a PNG, or remove it")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{path} has pixels of type {pixels.dtype}, which has no fixed range: convert it to an 8-bit or 16-bit PNG or TIFF"
        )
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    header = _png_header(data)
    if header is not None and header[-1] == 4:  # grey with alpha: OpenCV gives three equal channels
        return np.ascontiguousarray(pixels[..., :1])
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)  # in place: a second copy could fill the memory


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The mask file as (H, W) bool, True for defective pixels. The largest channel except alpha decides.

    - A mask of two values, or of one for each defect, marks what is above 0 (see `shades.meaning`).
    - A mask with soft edges, and a lossy file, mark what is above half of the largest value.
    - A folder of masks marks what any of them marks.

    `size`: (height, width) of the mask's image. UserError as in `read_image`, where the size differs, and where the values
    leave open which of them are defective.
    """
    if path.is_dir():
        parts = [read_mask(part, size) for part in sorted(path.iterdir()) if part.suffix.lower() in IMAGE_SUFFIXES]
        return np.logical_or.reduce(parts) if parts else np.zeros(size, bool)
    values = read_image(path).max(axis=2)
    if values.shape != size:
        raise UserError(
            f"{path} is {values.shape[0]} x {values.shape[1]} pixels (height x width) but its image is "
            f"{size[0]} x {size[1]}: give the mask the size of the image as stored, without EXIF orientation"
        )
    top, lossy = int(values.max()), path.suffix.lower() in LOSSY
    if lossy and 0 < top < 128:
        raise UserError(f"{path} is a lossy file without a bright pixel (at most {top} of 255): save the mask as a PNG")
    what = "" if lossy else meaning(values)
    if what == OPEN:
        shades = [*map(str, np.unique(values))]
        known = ", ".join(shades if len(shades) <= 8 else [*shades[:7], "…", shades[-1]])
        raise UserError(f"{path} has the values {known}, and which are defective is open: save it with two values")
    return values > (0 if what == NUMBERED else top // 2)


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) and UserError as from `read_image(path)`; of a PNG, only the header is read."""
    header = _png_header(_read_bytes(path, count=_PNG_HEADER.size))
    if header is not None:
        return header[3], header[2]
    state = path.stat()
    return _decoded_size(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)  # a training needs each size several times
def _decoded_size(path: Path, size: int, changed: int) -> tuple[int, int]:
    height, width, _ = read_image(path).shape
    return height, width


def has_alpha(path: Path) -> bool:
    """Whether a PNG, TIFF or WebP file stores an alpha channel, which `read_image` ignores; False for a file it can't read."""
    data = _read_bytes(path, count=_PNG_HEADER.size)
    header = _png_header(data)
    if header is not None or path.suffix.lower() not in (".tif", ".tiff", ".webp"):
        return header is not None and header[-1] in (4, 6)
    pixels = cv2.imdecode(_read_bytes(path), cv2.IMREAD_UNCHANGED)
    return pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`image`, (h, w, C) of uint8, uint16 or float32, at `size` = (height, width); itself where it has that size already.

    Shrinking averages areas: thin structures fade, but neither vanish nor alias. Enlarging is linear: cubic interpolation
    would draw halos along edges, which look like defects. If one side shrinks and the other grows, shrinking comes first.
    """
    smaller = min(image.shape[0], size[0]), min(image.shape[1], size[1])
    for (rows, columns), interpolation in ((smaller, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if image.shape[:2] != (rows, columns):
            resized = cv2.resize(image, (columns, rows), interpolation=interpolation)
            image = resized.reshape(rows, columns, image.shape[2])  # cv2.resize drops a channel axis of length 1
    return image


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`mask`, (h, w) bool, at `size` = (height, width): True where at least half of the pixel is. No mask becomes empty."""
    if mask.shape == size:
        return mask
    share = resize(mask[..., None].astype(np.float32), size)[..., 0]
    return np.asarray(share >= min(0.5, share.max())) & (share > 0)


def to_unit(image: np.ndarray) -> np.ndarray:
    """(H, W, 1) or (H, W, 3) uint8 or uint16 → (H, W, 3) float32 in [0, 1], where the type's largest value becomes 1."""
    unit = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return np.repeat(unit, 3, axis=2) if unit.shape[2] == 1 else unit


def _read_bytes(path: Path, count: int = -1) -> np.ndarray:
    """The file's first `count` bytes, all where it is −1. (cv2.imread fails on some non-ASCII paths.)"""
    try:
        ends = stat.S_IFMT(path.stat().st_mode) in (stat.S_IFREG, stat.S_IFDIR)
        data = np.fromfile(path, dtype=np.uint8, count=count) if ends else None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): restore or remove it") from error
    if data is None:  # reading would wait for a writer, perhaps for ever
        raise UserError(f"{path} is a pipe, a socket or a device, no file: remove it")
    if data.size == 0:
        raise UserError(f"{path} is empty: copy it again from its source or remove it")
    return data


def _png_header(data: np.ndarray) -> tuple[bytes, bytes, int, int, int, int] | None:
    """(signature, "IHDR", width, height, bit depth, colour type) of a PNG file's bytes; None for another file's."""
    if data.size < _PNG_HEADER.size:
        return None
    header = _PNG_HEADER.unpack(data[: _PNG_HEADER.size].tobytes())
    return header if header[:2] == (b"\x89PNG\r\n\x1a\n", b"IHDR") else None
