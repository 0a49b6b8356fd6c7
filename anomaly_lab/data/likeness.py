"""What the normal training images look like as a whole, and in what other images are unlike them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain

import cv2
import numpy as np

from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.images import image_size, to_unit
from anomaly_lab.data.statistics import evenly
from anomaly_lab.progress import watched

QUANTITIES = ("size", "brightness", "color", "sharpness")
LOOK_AT = 200  # images; the range of more of them is hardly wider, and decoding them takes time
# How far beyond the training images' range a value may lie. On six sets of photographs no normal test image lies further, and
# nearly every image blurred with σ = 2 px does (experiments/robustness).
FACTORS = {"size": 1.25, "sharpness": 1.5}  # of the range's ends
SHIFT = 0.05  # brightness and colour: added to half of the range's width
DARK, FLAT = 0.02, 0.01  # mean and standard deviation below which a training image shows nothing, in [0, 1]
STRIP = 2**20  # pixels looked at together
REACH = 4  # rows that OpenCV's Gaussian of σ = 1 px reaches
Profile = dict[str, list[float]]  # quantity → [lowest, highest] value of the training images


def quantities(size: tuple[int, int], small: np.ndarray) -> dict[str, float]:
    """The quantities of one image, (h, w, C) uint8 or uint16 at the working scale; `size`: its (H, W) at the training's
    resolution.

    - size: the longer side in pixels. - brightness: the mean, in [0, 1].
    - color: the mean difference between a pixel's largest and smallest channel, in [0, 1]; 0 for grey images.
    - sharpness: the standard deviation of what a Gaussian of σ = 1 px removes, as a share of the image's.
    """
    sums = np.zeros(5)
    for color, fine, grey in _strips(small):
        pairs = ((cv2.sumElems(x)[0], cv2.norm(x, cv2.NORM_L2SQR)) for x in (grey, fine))  # in double precision
        sums += (cv2.sumElems(color)[0], *chain(*pairs))
    color, brightness, square, mean_fine, fine_square = sums / (small.shape[0] * small.shape[1])
    spread, fine_spread = np.sqrt(max(0, square - brightness**2)), np.sqrt(max(0, fine_square - mean_fine**2))
    values = (float(max(size)), float(brightness), float(color), float(fine_spread / (spread + FLAT)))
    return dict(zip(QUANTITIES, values, strict=True))


def _strips(small: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(largest minus smallest channel, what a Gaussian removes, grey) of some rows after the others: a large image as float32
    would fill the memory."""
    rows = max(1, STRIP // small.shape[1])
    for top in range(0, small.shape[0], rows):
        start = max(0, top - REACH)
        channels = cv2.split(to_unit(small[start : top + rows + REACH]))  # apart: NumPy is slow along an axis of three
        grey = reduce(np.add, channels) / np.float32(len(channels))
        color = reduce(np.maximum, channels) - reduce(np.minimum, channels)
        own = slice(top - start, top - start + rows)
        yield color[own], (grey - cv2.GaussianBlur(grey, (0, 0), 1.0))[own], grey[own]


def profile(images: Sequence[DecodedImages]) -> tuple[Profile, int]:
    """(range of each quantity over at most `LOOK_AT` evenly spread images, how many of these are black or of one colour)."""
    pairs = [(part, i) for part in images for i in range(len(part))]
    seen, empty = [], 0
    chosen = [pairs[k] for k in evenly(len(pairs), LOOK_AT)]
    for part, i in watched(chosen, "Looking at images", len(chosen)):
        small = part[i][0]
        seen.append(quantities(image_size(part.samples[i].path), small))
        empty += bool(seen[-1]["brightness"] < DARK or to_unit(small).std() < FLAT)
    return {name: [min(s[name] for s in seen), max(s[name] for s in seen)] for name in QUANTITIES}, empty


def unlike(seen: Mapping[str, float], known: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """The quantities of an image, `seen`, that lie beyond the training images' ranges, `known`."""
    return tuple(name for name in QUANTITIES if not _within(name, seen[name], *known[name]))


def _within(name: str, value: float, low: float, high: float) -> bool:
    if name in FACTORS:
        return low / FACTORS[name] <= value <= high * FACTORS[name]
    shift = SHIFT + (high - low) / 2
    return low - shift <= value <= high + shift
