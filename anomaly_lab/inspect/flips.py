"""Which flips leave a normal image normal: a test without training, on histograms of gradient directions.

Let e(X) be the mean distance of an image's patches to the nearest patches of other normal images, the references. If a flip f
leaves the distribution of normal images as it is, X and f(X) can be exchanged, so that each image's d = e(f(X)) − e(X) has a
random sign, whatever the references are. The test compares the sum of d with sums under random signs. It rejects a harmless
flip with a probability of at most `ALPHA`, if images are independent. A quarter turn goes to the left or the right, by chance.

An effect that is certain may be tiny, such as a weave turned by a degree. So a flip counts as harmful only if it raises e by
`RAISED`, too. Light from one side is an effect like print: a flipped image shows what no normal one shows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.inspect.finding import FINE, NOTE, Finding, counted

ALPHA = 0.01  # probability with which a harmless flip is rejected, at most
RAISED = 0.25  # share of the mean distance; chosen on the sets of docs/inspect.md: print and chiral parts lie above
IMAGES = 64  # looked at, half of them as references
SIDE = 256  # pixels of the longer side
CELL = 8  # pixels of a cell's side; a patch has 2 × 2 cells
SCALES = (1.0, 0.5)  # at which patches are compared: 16 and 32 pixels of `SIDE`; larger ones see where an object lies
BINS = 8  # directions, all around: a shaded side is not a lit one
PATCHES = 8192  # of the references, at most
DRAWS = 9999  # of random signs
FEWEST = 8  # images to be tested: two scales times 2⁻⁸ is below ALPHA


class Tested(NamedTuple):
    """How a flip changes normal images. `raised`: share by which it raises the mean distance. `p`: of the test."""

    name: str
    raised: float
    p: float
    images: int

    @property
    def harmful(self) -> bool:
        """Whether it makes normal images look less normal."""
        return self.p <= ALPHA and self.raised >= RAISED


FLIPS = ("horizontal_flip", "vertical_flip", "rotate90")


def flipped(image: NDArray[np.float32], name: str, quarters: int) -> NDArray[np.float32]:
    """(H, W) flipped; `quarters`: 1 or 3 quarter turns, for rotate90."""
    if name == "rotate90":
        return np.rot90(image, quarters)
    return image[:, ::-1] if name == "horizontal_flip" else image[::-1]


def judged(images: Sequence[NDArray[np.float32]], seed: int = 0) -> list[Tested]:
    """Test each flip on grey images, (H, W) in [0, 1], in any order. Fewer than 2 · `FEWEST` of them give an empty list.

    Each of `SCALES` is tested; p is that of the clearest, times their number, and `raised` the highest.
    """
    if len(images) < 2 * FEWEST:
        return []
    rng = np.random.default_rng([seed, 0xF11B])
    order = rng.permutation(len(images))
    half = len(images) // 2
    queries = [images[i] for i in order[half:]]
    turns = rng.choice((1, 3), len(queries))
    scales = [scale for scale in SCALES if min(min(image.shape) for image in images) * scale >= 2 * CELL] or [1.0]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in FLIPS}
    for scale in scales:
        references = np.concatenate([patches(smaller(images[i], scale)) for i in order[:half]])
        references = references[rng.permutation(len(references))[:PATCHES]]
        before = np.array([distance(smaller(image, scale), references) for image in queries])
        for name in FLIPS:
            flips = (flipped(image, name, int(k)) for image, k in zip(queries, turns, strict=True))
            after = np.array([distance(smaller(image, scale), references) for image in flips])
            found[name].append((float(after.mean() / max(before.mean(), 1e-9) - 1), p_of_signs(after - before, rng)))
    return [
        Tested(name, max(raised for raised, _ in each), min(1.0, len(scales) * min(p for _, p in each)), len(queries))
        for name, each in found.items()
    ]


def smaller(image: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """The image at a scale, so that a patch covers more of it."""
    if scale == 1:
        return image
    size = max(CELL, round(image.shape[1] * scale)), max(CELL, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), np.float32)


def p_of_signs(d: NDArray[np.float64], rng: np.random.Generator) -> float:
    """The p-value of a mean of d above 0, if each sign is random: (1 + number of draws as high) / (1 + draws)."""
    drawn = rng.choice((-1.0, 1.0), (DRAWS, len(d))) @ d
    return float((1 + (drawn >= d.sum() - 1e-12).sum()) / (1 + DRAWS))


def distance(image: NDArray[np.float32], references: NDArray[np.float32]) -> float:
    """The mean over the image's patches of the Euclidean distance to the nearest of `references` (n, 4 · `BINS`)."""
    own = patches(image)
    squared = (own**2).sum(1)[:, None] + (references**2).sum(1) - 2 * own @ references.T
    return float(np.sqrt(np.maximum(squared.min(1), 0)).mean())


def patches(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4 · `BINS`): histograms of gradient directions in 2 × 2 cells, by magnitude; of length 1, less if a patch is flat."""
    height, width = (side // CELL * CELL for side in image.shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    grey = np.ascontiguousarray(image[top : top + height, left : left + width], np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    place = np.arctan2(down, across) * (BINS / (2 * np.pi))  # bins are centred at multiples of 45°, so that flips map them
    low = np.floor(place).astype(np.int64)
    share, magnitude = place - low, np.hypot(across, down)
    cell = np.arange(height)[:, None] // CELL * (width // CELL) + np.arange(width) // CELL
    length = cell[-1, -1] + 1
    count = np.zeros(length * BINS)
    for bins, weight in ((low % BINS, 1 - share), ((low + 1) % BINS, share)):
        count += np.bincount((cell * BINS + bins).ravel(), (magnitude * weight).ravel(), length * BINS)
    cells = count.astype(np.float32).reshape(height // CELL, width // CELL, BINS)
    blocks = np.concatenate([cells[:-1, :-1], cells[1:, :-1], cells[:-1, 1:], cells[1:, 1:]], 2).reshape(-1, 4 * BINS)
    scale = max(float(np.linalg.norm(cells, axis=2).mean()), 1e-6)
    return blocks / np.sqrt((blocks**2).sum(1, keepdims=True) + scale**2)


def suggested(tested: Sequence[Tested], configured: Sequence[str], images: int) -> list[Finding]:
    """Which flips training may use, beside those that it is told to use."""
    if not tested:
        sentence = f"{counted(images, 'normal image')} don't tell which flips leave an image normal, {2 * FEWEST} would"
        return [Finding("augmentation", NOTE if configured else FINE, f"{sentence}: look at category.augmentation yourself")]
    fit = [flip.name for flip in tested if not flip.harmful]
    changed = [flip for flip in tested if flip.harmful]
    numbers: dict[str, Any] = {flip.name: flip._asdict() | {"harmful": flip.harmful} for flip in tested}
    numbers |= {"suggested": fit, "false_alarm_rate": ALPHA}
    told = ", ".join(f"{flip.name} (+{flip.raised:.0%})" for flip in changed)
    suggestion = f"category.augmentation='[{','.join(fit)}]'"
    if used := [flip for flip in changed if flip.name in configured]:
        names = ", ".join(f"{flip.name} (+{flip.raised:.0%})" for flip in used)
        sentence = f"flipped images lie farther from normal ones, in print, form or light: {names}; try {suggestion}"
        return [Finding("augmentation", NOTE, sentence, numbers)]
    kept = "the flips of category.augmentation leave normal images normal; " if configured else ""
    other = f"{suggestion} is possible" + (f", without {told}" if told else "")
    return [Finding("augmentation", FINE, kept + other, numbers)]
