"""What the normal training images tell before a training: colour, contrast, working size, and how far crops may be turned."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anomaly_lab.data.alignment import aligned
from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image, to_unit

LOOK_AT = 16  # images: with more of them, the statistics of a category hardly change
SIZES = (256, 320, 384, 448, 512)  # multiples of 64: three poolings of whole images and of half-size crops leave no remainder
FINEST_PERIOD = 10.0  # pixels: a little more than the network's stride of 8; textures with periods of 4 to 5 px were not learnt
ANY_DIRECTION = 15.0  # degrees: if images are turned further against each other, new ones may lie in any direction
RARE = 0.001  # share of an image's values that may be clipped: a glint may, a texture may not
REACH = 3.5  # standard deviations that fit into the range of a stretched image, see `Preprocessing`
ENERGY = 0.8  # share of a texture's energy that must have periods above FINEST_PERIOD


def evenly(length: int, count: int = LOOK_AT) -> list[int]:
    """At most `count` evenly spread indices out of 0 … length − 1."""
    return [int(i) for i in np.linspace(0, length - 1, min(length, count)).round()]


class Seen(NamedTuple):
    """What the statistics need of one image."""

    pixel_bytes: int  # bytes per stored pixel
    mean: float  # of all its values, in [0, 1]
    std: float
    low: float  # all but `RARE` of the values lie between these two
    high: float
    power: np.ndarray  # (n, m), energy spectrum of its grey centre, n × n pixels; m = n//2 + 1, since the spectrum is symmetric
    rows: np.ndarray  # (n, 1), frequencies in cycles per stored pixel
    columns: np.ndarray  # (1, m), likewise


def look(samples: Sequence[Sample], align: bool = False) -> list[Seen]:
    """Read at most `LOOK_AT` evenly spread images; `align` them first. UserError for a file that cannot be read, as in
    `read_image`."""
    images = (read_image(samples[i].path) for i in evenly(len(samples)))
    return [_seen(aligned(image)[0] if align else image) for image in images]


def _seen(stored: np.ndarray) -> Seen:
    image = to_unit(stored)
    side = min(512, *image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    grey = image[top : top + side, left : left + side].mean(2)
    window = np.hanning(side)
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window[:, None] * window[None, :])) ** 2
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    low, high = np.quantile(image, (RARE / 2, 1 - RARE / 2))
    return Seen(stored.shape[2] * stored.dtype.itemsize, image.mean(), image.std(), low, high, power, rows, columns)


def mean_and_std(seen: Sequence[Seen]) -> tuple[float, float]:
    """The mean of the images' means, and the mean of their standard deviations, in [0, 1].

    The second is at least 0.001, and so large that `REACH` of it cover the values of all images: what is normal is not clipped.
    """
    mean = float(np.mean([image.mean for image in seen]))
    widest = max(max(image.high - mean, mean - image.low) for image in seen)
    return mean, max(float(np.mean([image.std for image in seen])), float(widest) / REACH, 1e-3)


def mean_color(images: DecodedImages) -> list[float]:
    """The mean colour [R, G, B] of the prepared images, in [0, 1]."""
    means = [images.preprocessing.unit(*images[i]).mean((0, 1)) for i in evenly(len(images))]
    return np.mean(means, axis=0).tolist()


def working_size(seen: Sequence[Seen], longest: int) -> tuple[int, str]:
    """(longer side in pixels at the working scale, a clause that tells why) for images stored with `longest` pixels there.

    It is the smallest of `SIZES`, or else the largest, that is not below `longest` (small defects are found best at full size,
    and crops cost the same at any size), and at which `ENERGY` of the images' energy has periods of `FINEST_PERIOD` pixels or
    more (the network shrinks its input eightfold, and cannot learn structures with periods of about 8 pixels or fewer).
    """
    period = fine_period(seen)
    wanted = longest * FINEST_PERIOD / period
    size = next((s for s in SIZES if s >= max(wanted, longest)), SIZES[-1])
    short = "" if size >= wanted else f", but {size} px are the largest offered"
    return size, (
        f"stored at {longest} px, where {1 - ENERGY:.0%} of the texture's energy has periods below {period:.1f} px; "
        f"{wanted:.0f} px would make them {FINEST_PERIOD:.0f} px{short}"
    )


def fine_period(seen: Sequence[Seen]) -> float:
    """The period in stored pixels above which `ENERGY` of the images' energy lies; periods above 64 pixels do not count."""
    total = np.zeros(256)
    for image in seen:
        rings = np.bincount((np.hypot(image.rows, image.columns) * 256).astype(int).ravel(), image.power.ravel(), 256)
        total += rings / max(rings.sum(), 1e-12)
    energy = total[4:]  # periods above 64 pixels are lighting and shape
    if energy.sum() <= 0:
        return 64.0  # flat images have no texture
    return 256 / (int(np.searchsorted(np.cumsum(energy) / energy.sum(), ENERGY)) + 4.5)


def orientation_spread(seen: Sequence[Seen]) -> float:
    """How far the images are turned against each other, 0 to 90 degrees: the 80th percentile over all pairs of images.

    So one odd image in sixteen changes nothing. A pair's turn is where their spectra agree best over the directions; a spectrum
    does not tell 0° from 180°. Images without a direction, such as grain, give random, wide turns, which do no harm there.
    """
    spectra = [np.fft.rfft(profile) for profile in map(_directions, seen) if profile.any()]
    best = [int(np.argmax(np.fft.irfft(b * a.conj(), 180))) for a, b in itertools.combinations(spectra, 2)]
    turns = [min(turn, 180 - turn) for turn in best]
    return float(np.percentile(turns, 80)) if turns else 0.0


def rotation_range(seen: Sequence[Seen]) -> tuple[float, str]:
    """(largest turn of crops to either side in degrees, why): the images' spread, or 180 where it exceeds `ANY_DIRECTION`."""
    spread = orientation_spread(seen)
    why = f"the images are turned by up to {spread:.0f}° against each other"
    return (180.0, why) if spread > ANY_DIRECTION else (spread, why)


def _directions(image: Seen) -> np.ndarray:
    """(180,): smoothed mean amplitude in each degree's direction, for periods from 2.2 to 64 px; zeros for a flat image."""
    frequency = np.hypot(image.rows, image.columns)
    degree = np.degrees(np.arctan2(image.rows, image.columns)) % 180
    kept = (frequency > 1 / 64) & (frequency < 0.45)  # higher ones are mostly diagonal, and would count too much
    place = degree[kept].astype(int) % 180
    mean = np.bincount(place, np.sqrt(image.power[kept]), 180) / np.maximum(1, np.bincount(place, minlength=180))
    around = np.exp(-2 * (np.pi * 2.5 * np.fft.rfftfreq(180)) ** 2)  # transform of a circular Gaussian, σ = 2.5°
    mean = np.fft.irfft(np.fft.rfft(mean) * around, 180)
    return (mean - mean.mean()) / max(float(mean.mean()), 1e-12)
