"""Normal images at the working scale, decoded beforehand where that is possible, for random access during a training."""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from anomaly_lab.data.cache import ImageCache
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import image_size, read_image
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor


class DecodedImages:
    """`images[i]` → (image, levels): (h, w, C) uint8 or uint16 at the working scale; `Preprocessing.levels` of the whole image.

    With `cache`, every image is decoded once per machine, when the object is made, and mapped from the cache's files. With
    `in_memory`, it is decoded once, when the object is made, and kept. With neither, it is decoded at each use.
    `progress(done, total)` is called after each image that is decoded when the object is made. UserError as in `read_image`.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        in_memory: bool = False,
        cache: ImageCache | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.samples, self.preprocessing, self.cache = list(samples), preprocessing, cache
        self.kept: list[tuple[np.ndarray, tuple[float, float]]] | None = None
        if in_memory or cache is not None:
            self.kept = []
            for i in range(len(samples)):
                self.kept.append(self._load(i))
                progress(i + 1, len(samples))
        if cache is not None:
            cache.trim()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[np.ndarray, tuple[float, float]]:
        return self.kept[i] if self.kept is not None else self._load(i)

    def whole(self, i: int) -> Tensor:
        """Image i for the network: (3, h, w) float32 in [0, 1] at the working scale."""
        return to_tensor(self.preprocessing.unit(*self[i]))

    def _load(self, i: int) -> tuple[np.ndarray, tuple[float, float]]:
        path = self.samples[i].path

        def decode() -> np.ndarray:
            return self.preprocessing.fitted(read_image(path))[0]

        cache = self.cache
        size = self.preprocessing.size(image_size(path))
        small = decode() if cache is None else cache.get(path, size, decode, "aligned" if self.preprocessing.align else "")
        small = np.asarray(small)  # the same mapped memory, without the overhead of slicing an np.memmap
        return small, self.preprocessing.levels(small)
