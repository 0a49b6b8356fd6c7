"""Normal images at the working scale, decoded beforehand where that is possible, for random access during a training."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from anomaly_lab.data.cache import ImageCache
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import image_size, read_image
from anomaly_lab.data.preprocessing import Preprocessing


class DecodedImages:
    """`images[i]` → (image, levels): (h, w, C) uint8 or uint16 at the working scale, and the (mean, std) of the whole image for
    `Preprocessing.unit`.

    - `cache`: every image is decoded once per machine, when the object is made, and mapped from the cache's files.
    - `in_memory`: every image is decoded once, when the object is made, and kept.
    - neither: an image is decoded at each use.

    `progress(done, total)` is called after each image that is decoded when the object is made. UserError for a file that
    cannot be read, as in `read_image`.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        in_memory: bool = False,
        cache: ImageCache | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.samples, self.preprocessing, self.cache = list(samples), preprocessing, cache
        self.kept: list[tuple[np.ndarray, tuple[float, float]]] | None = None
        if in_memory or cache is not None:
            self.kept = []
            for i in range(len(samples)):
                self.kept.append(self._load(i))
                if progress is not None:
                    progress(i + 1, len(samples))
        if cache is not None:
            cache.trim()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[np.ndarray, tuple[float, float]]:
        return self.kept[i] if self.kept is not None else self._load(i)

    def _load(self, i: int) -> tuple[np.ndarray, tuple[float, float]]:
        path = self.samples[i].path
        if self.cache is None:
            small = self._decode(path)
        else:
            small = self.cache.get(path, self.preprocessing.size(image_size(path)), lambda: self._decode(path))
        small = np.asarray(small)  # the same mapped memory, without the overhead of slicing an np.memmap
        return small, self.preprocessing.levels(small)

    def _decode(self, path: Path) -> np.ndarray:
        return self.preprocessing.resized(read_image(path))
