"""What is read off the normal training images before training: colour, contrast, and the scale to work at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anomaly_lab.data.decoded import DecodedImages
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image, to_unit

LOOK_AT = 16  # images: statistics of one category hardly change beyond
SIZES = (256, 320, 384, 448, 512)  # multiples of 64, so that three poolings and half-size crops come out even
FINEST_PERIOD = 10.0  # pixels: a little more than the network's stride of 8; at 4 to 5 px textures were not learnt
ANY_DIRECTION = 15.0  # degrees: images turned further against each other are taken to lie in any direction
ENERGY = 0.8  # share of a texture's energy that has to lie at coarser periods than that


def evenly(length: int, count: int = LOOK_AT) -> list[int]:
    """At most `count` of the places 0 … length − 1, evenly spread."""
    return [int(i) for i in np.linspace(0, length - 1, min(length, count)).round()]


class Seen(NamedTuple):
    """What is kept of one image: bytes of a stored pixel, mean and standard deviation of its values in [0, 1], channels pooled,
    and the energy of its grey middle by frequency, with the frequencies in cycles a stored pixel: (n, m), (n, 1), (1, m)."""

    pixel_bytes: int
    mean: float
    std: float
    power: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def look(samples: Sequence[Sample]) -> list[Seen]:
    """Read at most `LOOK_AT` of the images, evenly spread, one after the other: all that follows needs no more of them."""
    return [_seen(read_image(samples[i].path)) for i in evenly(len(samples))]


def _seen(stored: np.ndarray) -> Seen:
    image, pixel_bytes = to_unit(stored), stored.shape[2] * stored.dtype.itemsize
    side = min(512, *image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    grey = image[top : top + side, left : left + side].mean(2)
    window = np.hanning(side)
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window[:, None] * window[None, :])) ** 2
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    return Seen(pixel_bytes, image.mean(), image.std(), power, rows, columns)


def mean_and_std(seen: Sequence[Seen]) -> tuple[float, float]:
    """The images' mean, and the mean standard deviation within one."""
    return float(np.mean([image.mean for image in seen])), max(float(np.mean([image.std for image in seen])), 1e-3)


def mean_color(images: DecodedImages) -> list[float]:
    """The mean colour (R, G, B) of the images as the network sees them, in [0, 1]."""
    means = [images.preprocessing.unit(*images[i]).mean((0, 1)) for i in evenly(len(images))]
    return np.mean(means, axis=0).tolist()


def working_size(seen: Sequence[Seen], longest: int) -> tuple[int, str]:
    """(longer side in pixels of the working scale, why), for normal images of `longest` pixels: the smallest of `SIZES` where

    - nothing that is stored is thrown away: small defects are found best at full size, and crops cost the same at any;
    - `ENERGY` of their spectrum's energy has a period of `FINEST_PERIOD` pixels or more: the network shrinks its input
      eightfold, and structure with a period near 8 pixels or below is lost on it.

    The largest of them where none is large enough.
    """
    period = fine_period(seen)
    wanted = longest * FINEST_PERIOD / period
    size = next((s for s in SIZES if s >= max(wanted, longest)), SIZES[-1])
    short = "" if size >= wanted else f", and {size} is the largest offered"
    return size, (
        f"stored at {longest} px, where {1 - ENERGY:.0%} of the texture's energy is finer than {period:.1f} px; "
        f"{FINEST_PERIOD:.0f} px need {wanted:.0f}{short}"
    )


def fine_period(seen: Sequence[Seen]) -> float:
    """The period in stored pixels below which 1 − `ENERGY` of the images' energy lies, the slow variation left out."""
    total: np.ndarray | float = 0.0
    for image in seen:
        frequency = np.hypot(image.rows, image.columns)
        rings = np.bincount((frequency * 256).astype(int).ravel(), image.power.ravel(), 256)
        total = total + rings / max(rings.sum(), 1e-12)
    energy = np.asarray(total)[4:]  # periods above 64 pixels are lighting and shape
    if energy.sum() <= 0:
        return 64.0  # flat images: nothing is fine
    place = int(np.searchsorted(np.cumsum(energy) / energy.sum(), ENERGY)) + 4
    return 256 / (place + 0.5)


def orientation_spread(seen: Sequence[Seen]) -> float:
    """By how many degrees, 0 to 90, the images are turned against each other: of all pairs, four in five by less,
    so that one odd image in sixteen decides nothing.

    For each pair, the turn at which their spectra agree best, direction by direction; a spectrum has no front and back, so 180°
    is as 0°. Without any direction, as in grain, turns come out at random, and wide: there they do no harm.
    """
    profiles = [_directions(image) for image in seen]
    spectra = [np.fft.rfft(p) for p in profiles if p.any()]
    turns = []
    for i in range(len(spectra)):
        for j in range(i):
            best = int(np.argmax(np.fft.irfft(spectra[i] * spectra[j].conj(), 180)))
            turns.append(min(best, 180 - best))
    return float(np.percentile(turns, 80)) if turns else 0.0


def rotation_range(seen: Sequence[Seen]) -> tuple[float, str]:
    """(degrees by which training crops are turned at most to either side, why): as far as the images themselves are; any way
    where they lie in so many directions that more must be expected."""
    spread = orientation_spread(seen)
    why = f"the images are turned by up to {spread:.0f}° against each other"
    return (180.0, why) if spread > ANY_DIRECTION else (spread, why)


def _directions(image: Seen) -> np.ndarray:
    """(180,): mean amplitude at each degree, periods of 2 to 64 px, smoothed and less their mean; zeros for a flat image."""
    frequency = np.hypot(image.rows, image.columns)
    degree = np.degrees(np.arctan2(image.rows, image.columns)) % 180
    kept = (frequency > 1 / 64) & (frequency < 0.45)  # above are only corners: diagonal directions
    place = degree[kept].astype(int) % 180
    mean = np.bincount(place, np.sqrt(image.power[kept]), 180) / np.maximum(1, np.bincount(place, minlength=180))
    around = np.exp(-2 * (np.pi * 2.5 * np.fft.rfftfreq(180)) ** 2)  # a Gaussian of σ = 2.5°, round the circle
    mean = np.fft.irfft(np.fft.rfft(mean) * around, 180)
    return (mean - mean.mean()) / max(float(mean.mean()), 1e-12)
