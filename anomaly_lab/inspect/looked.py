"""What is looked at in each image and mask. Each file is decoded once; what is kept of it has a fixed size."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.alike import shrunk
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import has_alpha, read_image, read_mask, resize, to_unit
from anomaly_lab.data.likeness import DARK, FLAT
from anomaly_lab.data.shades import NUMBERED, meaning
from anomaly_lab.errors import UserError, as_sentence, printable
from anomaly_lab.files import of_file
from anomaly_lab.metrics.regions import components

SIDE = 512  # pixels of the longer side, at most, at which brightness and sharpness are measured
REGIONS = 1000  # of a mask, at most, whose areas are kept
DEEP = 2**16 - 1
TRAIN, HELD_OUT, TEST = "training", "held-out", "test"  # the parts of a data set; held-out images are normal training images


class Mask(NamedTuple):
    """A mask. `fault`: why it can't be used, one sentence. `shades`: pixels between 0 and its largest value."""

    path: Path
    fault: str | None
    share: float = 0.0  # of the image that is defective
    areas: tuple[int, ...] = ()  # of its regions, in pixels
    shades: int = 0


class Looked(NamedTuple):
    """An image. `fault`: why it can't be read, one sentence; the rest is then empty."""

    sample: Sample
    part: str
    fault: str | None
    size: tuple[int, int] = (0, 0)  # (H, W)
    mode: str = ""
    brightness: float = 0.0  # mean, in [0, 1]
    spread: float = 0.0  # standard deviation of the grey image
    sharpness: float = 0.0  # see `data.likeness.quantities`
    highest: float = 0.0  # the largest value, in [0, 1]
    digest: str = ""  # of the file's bytes
    small: NDArray[np.uint16] | None = None  # see `data.alike.shrunk`; 65,535 stands for 1
    mask: Mask | None = None

    @property
    def empty(self) -> bool:
        """Whether it shows nothing: it is black or of one colour."""
        return self.brightness < DARK or self.spread < FLAT


def look(sample: Sample, part: str) -> Looked:
    """Look at an image and its mask. No error is raised for a file that can't be read."""
    try:
        stored = read_image(sample.path)
        alpha, digest = has_alpha(sample.path), of_file(sample.path)
    except (OSError, UserError, MemoryError) as error:
        return Looked(sample, part, as_sentence(error) or printable(f"{sample.path} can't be read ({error})"))
    height, width, channels = stored.shape
    factor = min(1.0, SIDE / max(height, width))
    small = resize(stored, (max(1, round(height * factor)), max(1, round(width * factor))))
    unit = to_unit(small)
    grey = cv2.transform(unit, np.full((1, 3), 1 / 3, np.float32))
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    plain = channels == 3 and np.array_equal(small[..., 0], small[..., 1]) and np.array_equal(small[..., 0], small[..., 2])
    spread = float(grey.std())
    return Looked(
        sample,
        part,
        None,
        (height, width),
        mode_of(channels, plain, stored.dtype == np.uint16, alpha),
        float(grey.mean()),
        spread,
        float(fine.std()) / (spread + FLAT),
        float(stored.max()) / float(np.iinfo(stored.dtype).max),
        digest,
        (shrunk(grey.astype(np.float32)) * DEEP).round().astype(np.uint16),
        None if sample.mask is None else look_at_mask(sample.mask, (height, width)),
    )


def mode_of(channels: int, plain: bool, deep: bool, alpha: bool) -> str:
    """The mode in words. `plain`: three equal channels. `deep`: 16 bits."""
    colour = "grey" if channels == 1 else "grey in three channels" if plain else "colour"
    return colour + (", 16 bits" if deep else "") + (", with alpha" if alpha else "")


def look_at_mask(path: Path, size: tuple[int, int]) -> Mask:
    """Look at a mask of an image of `size` (H, W)."""
    try:
        marked = read_mask(path, size)
        shades = 0 if path.is_dir() else shades_of(read_image(path).max(axis=2))
    except (OSError, UserError, MemoryError) as error:
        return Mask(path, as_sentence(error) or printable(f"{path} can't be read ({error})"))
    if not marked.any():
        return Mask(path, None, shades=shades)
    _, area = components(marked)
    areas = area[1 :: 1 + (len(area) - 2) // REGIONS].tolist()
    return Mask(path, None, float(marked.mean()), tuple(areas), shades)


def shades_of(values: NDArray[Any]) -> int:
    """How many pixels of a mask lie between 0 and its largest value; none where it numbers its defects."""
    return 0 if meaning(values) == NUMBERED else int(((values > 0) & (values < values.max())).sum())
