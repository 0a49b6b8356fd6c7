"""A cache of decoded images on disk. Images are memory-mapped, so that all runs on a machine share one copy of each.

A cached file's name holds the digest of the stored image's bytes and the size. Files are written atomically and never change,
so any number of processes may use the cache at once. On POSIX, a process can use a file that it has open after another
process has removed it.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from anomaly_lab.files import of_file, replacing, write_text

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

log = logging.getLogger(__name__)
VERSION = 2  # raise it whenever decoding, resizing, aligning or the check of files changes
UNUSABLE = "the cache of decoded images in %s cannot be used: %s"
ABANDONED = 24 * 3600  # seconds after which a half-written file must come from a crash


def can_keep_open(files: int) -> bool:
    """Whether this process may keep `files` files open, and as many others besides.

    A mapped image keeps its file open, and a process may often open only 256 or 1,024. That limit is raised where permitted.
    """
    if resource is None:
        return True
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * files + 256
    if soft != resource.RLIM_INFINITY and soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (OSError, ValueError):  # above the hard limit
            return False
    return True


def image_cache(folder: str, gib: float) -> "ImageCache | None":
    """The cache of `conf/data`; None for 0 GiB, and with a warning where there is no home directory for it."""
    try:
        return ImageCache(Path(folder).expanduser(), gib) if gib else None
    except RuntimeError:
        log.warning("there is no home directory, so no images are cached: set ANOMALY_LAB_CACHE to a folder")
        return None


class ImageCache:
    """Decoded images in `folder`, at most `gib` GiB of them: `trim` removes the least recently used ones above that.

    Where the folder cannot be written or is full, images are decoded at each use; that is no error.
    """

    def __init__(self, folder: Path, gib: float) -> None:
        self.folder, self.limit = folder / f"v{VERSION}", int(gib * 2**30)

    def fits(self, size: int) -> bool:
        """Whether a data set of `size` bytes fits: its images would otherwise push each other out."""
        return 2 * size <= self.limit  # half of the cache: another run's images may be there too

    def get(self, path: Path, size: tuple[int, int], decode: Callable[[], np.ndarray], how: str = "") -> np.ndarray:
        """The cached copy of `decode()`, the image file `path` at `size` = (h, w): (h, w, C) uint8 or uint16, read-only.
        `how`: tells apart what else was done to it.

        A missing copy is stored; where it cannot be (no space, no permission), `decode()` is returned.
        """
        try:
            kept = self.folder / f"{of_file(path)}-{size[0]}x{size[1]}{how}.npy"
            image = self._open(kept, size)
            if image is None:
                with replacing(kept) as temporary:
                    np.save(temporary, decode())
                image = self._open(kept, size)
            os.utime(kept)  # so that trim knows when it was last used
        except OSError as error:
            log.info(UNUSABLE, self.folder, error)
            return decode()
        return decode() if image is None else image

    @staticmethod
    def _open(path: Path, size: tuple[int, int]) -> np.ndarray | None:
        """The array in the file `path`; None where the file is missing or damaged."""
        try:
            image = np.load(path, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, EOFError, ValueError):
            return None
        return image if image.ndim == 3 and image.shape[:2] == size and image.dtype in (np.uint8, np.uint16) else None

    def once(self, data: str, check: Callable[[], None]) -> None:
        """Call `check()`, unless it has passed before for the data set with the digest `data`, under the same `VERSION`."""
        passed = self.folder / f"checked-{data}"
        if passed.is_file():
            return
        check()
        try:
            write_text(passed, "")
        except OSError as error:
            log.info(UNUSABLE, self.folder, error)

    def trim(self) -> None:
        """Remove the least recently used images until the rest fits, and half-written files that a crash has left."""
        now, found = time.time(), []
        for path in self.folder.glob("*"):
            try:
                state = path.stat()
            except FileNotFoundError:  # another process has removed it
                continue
            found.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in found)
        for used, size, path in sorted(found):
            if now - used > ABANDONED if ".part" in path.name else total > self.limit:
                path.unlink(missing_ok=True)
                total -= size
