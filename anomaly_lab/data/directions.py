"""Whether normal images show one long part in any direction: then each is aligned before anything is learnt."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from anomaly_lab.data.alignment import CLEAR, Part, border, fits, part_of
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image
from anomaly_lab.data.statistics import ANY_DIRECTION, evenly

MOST = 0.5  # of the image: a part that fills more has little background to be found on
LONG = 2.0  # times as long as wide: the axis of a rounder part follows from chance
TOUCHING = 0.1  # share of the outermost blocks that stand out: on textures it is over 0.1, on parts with a shadow below 0.04
APART = 0.1  # share of what stands out that does not hang together with the part
OTHER = 0.1  # share of the images that may be otherwise


def in_any_direction(samples: Sequence[Sample]) -> tuple[bool, str]:
    """(whether to align the images, why), from at most `statistics.LOOK_AT` of them. UserError as in `read_image`."""
    chosen = evenly(len(samples))
    angles: list[float] = []
    alike = 0  # parts whose ends are alike
    for looked, i in enumerate(chosen, 1):
        image = read_image(samples[i].path)
        part = part_of(image)
        if is_long(part) and fits(part, image.shape[:2]):
            x, y = part.axis[0].tolist()
            angles.append(np.degrees(np.arctan2(y, x)))
            alike += float(part.skewness) < CLEAR
        if looked - len(angles) > OTHER * len(chosen):
            return False, "the images do not show one long part each"
    whole = 180 if alike > OTHER * len(chosen) else 360  # a part with ends alike may lie either way
    turns = [abs((b - a + whole / 2) % whole - whole / 2) for a, b in itertools.combinations(angles, 2)]
    spread = float(np.percentile(turns, 80)) if turns else 0.0
    return spread > ANY_DIRECTION, f"long parts are turned by up to {spread:.0f}° against each other"


def is_long(part: Part) -> bool:
    """Whether one image shows a single part, longer than wide, that stands out from its background on all sides."""
    mask = part.mask[0].numpy().astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    along, across = part.spreads[0].tolist()
    return bool(
        0 < mask.mean() <= MOST
        and border(part.mask).mean() <= TOUCHING
        and areas.max() >= (1 - APART) * areas.sum()
        and along >= LONG * across
    )
