"""Decoded images at the working scale, kept once on a machine: memory-mapped, so that all jobs share one copy of each.

A file is named by the digest of the image's bytes and by the size. It is written whole or not at all and never changed, so any
number of processes may use the folder at once; what one of them removes, others that have it open go on using (on POSIX).
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
VERSION = 1  # raise it with every change of how images are decoded or resized
ABANDONED = 24 * 3600  # seconds after which a file that is still being written is debris of a crash


def can_keep_open(files: int) -> bool:
    """Whether this process may keep so many files open beside as many others. Its own limit, often 1,024 or 256, is raised as
    far as the system lets it: each mapped image takes one."""
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


class ImageCache:
    """A folder of decoded images, of at most `gib` GiB: beyond, those that have not been used for longest go."""

    def __init__(self, folder: Path, gib: float) -> None:
        self.folder, self.limit = folder.expanduser() / f"v{VERSION}", int(gib * 2**30)

    def fits(self, size: int) -> bool:
        """Whether images of `size` bytes together have room; more than that would push each other out."""
        return 2 * size <= self.limit  # half of it: another job's images may be there too

    def get(self, path: Path, size: tuple[int, int], decode: Callable[[], np.ndarray]) -> np.ndarray:
        """The image in `path` at (h, w) = `size`, as `decode` makes it, read-only; made and kept where it is not there yet.

        Where nothing can be kept (no space, no permission) the result is simply what `decode` gives.
        """
        try:
            kept = self.folder / f"{of_file(path)}-{size[0]}x{size[1]}.npy"
            image = self._open(kept, size)
            if image is None:
                with replacing(kept) as temporary:
                    np.save(temporary, decode())
                image = self._open(kept, size)
            os.utime(kept)  # used now
        except OSError as error:
            log.info("the cache of decoded images in %s is not used: %s", self.folder, error)
            return decode()
        return decode() if image is None else image

    @staticmethod
    def _open(path: Path, size: tuple[int, int]) -> np.ndarray | None:
        """The array in `path`, None where there is none or it is damaged."""
        try:
            image = np.load(path, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, EOFError, ValueError):
            return None
        return image if image.ndim == 3 and image.shape[:2] == size and image.dtype in (np.uint8, np.uint16) else None

    def checked(self, data: str) -> bool:
        """Whether files with this digest were found to be in order before, with the same version of the decoding."""
        return (self.folder / f"checked-{data}").is_file()

    def note_checked(self, data: str) -> None:
        """Remember that the files with this digest are in order; where nothing can be kept, they are checked again."""
        try:
            write_text(self.folder / f"checked-{data}", "")
        except OSError as error:
            log.info("the cache of decoded images in %s is not used: %s", self.folder, error)

    def trim(self) -> None:
        """Remove what has not been used for longest until the rest fits, and what a crash left half written."""
        now, found = time.time(), []
        for path in self.folder.glob("*"):
            try:
                state = path.stat()
            except FileNotFoundError:  # another process was faster
                continue
            found.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in found)
        for used, size, path in sorted(found):
            debris = ".part" in path.name
            if (debris and now - used > ABANDONED) or (not debris and total > self.limit):
                path.unlink(missing_ok=True)
                total -= size
