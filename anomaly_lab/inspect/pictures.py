"""Pictures of the page: images as thumbnails with the outline of their masks, and histograms. No large library draws them."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.images import read_image, read_mask, resize, to_unit
from anomaly_lab.data.statistics import evenly
from anomaly_lab.errors import UserError, printable
from anomaly_lab.inspect.duplicates import SAID, Pair
from anomaly_lab.inspect.looked import TEST, Looked

SIDE = 192  # pixels of a thumbnail's longer side
QUALITY = 85
EACH, KINDS = 4, 12  # images of a kind, and kinds of a part, that are shown
PAIRS = 12
BARS = 24
WIDTH, HEIGHT, BELOW = 420, 120, 34  # of a histogram, and the space for its axis
COLOURS = ("#0072B2", "#009E73", "#D55E00")  # of Okabe and Ito: training, normal test images, defective ones
CYAN = (0, 255, 255)


class Shown(NamedTuple):
    """A picture as a data URI, and the text below it."""

    data: str
    text: str


def samples(looked: Sequence[Looked]) -> dict[str, list[Shown]]:
    """Images of each part and kind, evenly spread, with the outlines of their masks: {"train, good": […], …}."""
    groups = defaultdict[str, list[Looked]](list)
    for image in looked:
        if image.fault is None:
            groups[f"{image.part}, {printable(image.sample.defect)}"].append(image)
    return {what: [shown(of_kind[i]) for i in evenly(len(of_kind), EACH)] for what, of_kind in [*groups.items()][: 3 * KINDS]}


def pairs(found: Sequence[Pair]) -> list[tuple[Shown, Shown, str]]:
    """Pairs of images that show the same, those of different parts first: (one, other, how they are the same)."""
    ordered = sorted(found, key=lambda pair: (pair.a.part == pair.b.part, list(SAID).index(pair.how)))
    return [(shown(pair.a), shown(pair.b), SAID[pair.how]) for pair in ordered[:PAIRS]]


def shown(image: Looked) -> Shown:
    """The thumbnail of an image, with the outline of its mask, and its last names."""
    text = f"{image.part}: {printable('/'.join(image.sample.path.parts[-2:]))}"
    try:
        stored = read_image(image.sample.path)
        mask = None
        if image.mask is not None and image.mask.fault is None:
            mask = read_mask(image.mask.path, stored.shape[:2])
    except UserError:  # it has changed since
        return Shown("", text)
    return Shown(thumbnail(stored, mask), text)


def thumbnail(stored: NDArray[np.generic], mask: NDArray[np.bool_] | None) -> str:
    """(H, W, C) uint8 or uint16, and a mask (H, W), as a data URI. Dark 16-bit images are stretched, so that one sees them."""
    factor = min(1.0, SIDE / max(stored.shape[:2]))
    size = max(1, round(stored.shape[0] * factor)), max(1, round(stored.shape[1] * factor))
    unit = to_unit(resize(stored, size))
    if stored.dtype == np.uint16:
        unit = unit / max(float(unit.max()), 1e-6)
    drawn = np.ascontiguousarray((unit * 255).round().astype(np.uint8))
    if mask is not None:
        small = resize(mask[..., None].astype(np.float32), size)[..., 0] > 0  # a small defect stays visible
        around = cv2.dilate(small.astype(np.uint8), np.ones((5, 5), np.uint8))  # so that the outline does not cover a tiny one
        outlines, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, CYAN, 1)
    _, data = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def histograms(looked: Sequence[Looked]) -> dict[str, str]:
    """Brightness and sharpness of training, normal test and defective test images, as SVG: {quantity: picture}."""
    normal = [image for image in looked if image.part != TEST]
    groups = {
        "training": normal,
        "normal test": [image for image in looked if image.part == TEST and not image.sample.label],
        "defective test": [image for image in looked if image.part == TEST and image.sample.label],
    }
    return {
        quantity: histogram({what: [getattr(image, quantity) for image in images] for what, images in groups.items() if images})
        for quantity in ("brightness", "sharpness")
    }


def histogram(groups: Mapping[str, Iterable[float]]) -> str:
    """Groups of values as rows of bars, each row by its own highest bar, in one SVG."""
    values = {what: np.array(list(of)) for what, of in groups.items()}
    every = np.concatenate([*values.values(), np.zeros(0)])
    if not len(every):
        return ""
    low, high = float(every.min()), float(every.max())
    high = high if high > low else low + 1e-3
    row = HEIGHT // len(values)
    parts = []
    for place, (what, of) in enumerate(values.items()):
        count, _ = np.histogram(of, BARS, (low, high))
        base = (place + 1) * row - 2
        for i, n in enumerate(count / max(count.max(), 1)):
            tall = n * (row - 16)
            x, wide = 4 + i * (WIDTH - 8) / BARS, (WIDTH - 8) / BARS - 1
            parts.append(
                f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{COLOURS[place]}"/>'
            )
        parts.append(f'<text x="6" y="{place * row + 11}" fill="{COLOURS[place]}">{what} ({len(of)})</text>')
    ticks = [(4, "start", low), (WIDTH / 2, "middle", (low + high) / 2), (WIDTH - 4, "end", high)]
    parts += [f'<text x="{x:.0f}" y="{HEIGHT + 14}" text-anchor="{anchor}">{value:.3g}</text>' for x, anchor, value in ticks]
    told = "; ".join(f"{what}: median {np.median(of):.3g}" for what, of in values.items())
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + BELOW - 14}" width="{WIDTH}" role="img" aria-label="{told}" font-size="11" '
        f'font-family="sans-serif">{"".join(parts)}</svg>'
    )
