"""Paint defects into a normal image, with patches of other normal images: training examples for a segmenter.

The family of NSA (Schlüter et al., ECCV 2022): a patch of another normal image is resized and blended by Poisson's equation, so
that no edge gives it away. Here a patch may also be blended with any opacity, or the image's own patch be deformed, toned,
blurred or replaced by a foreign texture. A label says how much a pixel changed: a faint change counts little.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from anomaly_lab.corruption.contents import Blur, Content, Elastic, Texture
from anomaly_lab.corruption.shapes import blob, ellipse, rectangle, stroke

PATCHES = 4  # at most; the first always, each other with probability ½
SHORTEST, LONGEST = 0.05, 0.8  # sides of a patch, as shares of the image's
TYPICAL = 0.25  # mean of a side's share beyond SHORTEST; sides follow a gamma distribution, so that small defects prevail
BANDS = 0.12  # share of the patches that cross the whole image, as uneven light or a rolling defect does
STROKES = 0.12  # share of thin lines, like cracks and scratches
POISSON = 0.4  # share of the patches that are blended by Poisson's equation
MIXED = 0.4  # share of these whose gradients are mixed with the image's
FAINTEST = 0.25  # smallest opacity of the others
MEDIAN = 5  # pixels: a lone pixel's change is no defect
THINNEST = 2  # pixels between the first and the last row or column of a cloned patch: OpenCV fails on thinner ones
SOFT = 0.18  # in standard deviations of the image: a change of this size has the label ½
LEAST = 4 / 255  # but at least this one


class Tone:
    """The patch darker or lighter by `shift` standard deviations of the image, with `contrast` times its fine structure."""

    def __init__(self, shift: tuple[float, float], contrast: tuple[float, float]) -> None:
        self.shift, self.contrast = shift, contrast

    def __call__(self, image: np.ndarray, box: tuple[slice, slice], rng: Generator) -> np.ndarray:
        patch = image[box]
        coarse = cv2.GaussianBlur(patch, (0, 0), 6).reshape(patch.shape)
        shift = np.float32(rng.choice((-1, 1)) * rng.uniform(*self.shift) * max(0.02, image.std()))
        colour = rng.uniform(0.3, 1, 3).astype(np.float32)
        return coarse + (patch - coarse) * np.float32(rng.uniform(*self.contrast)) + shift * colour


class Foreign:
    """A patch of one of `others`, resized."""

    def __init__(self, others: Sequence[np.ndarray]) -> None:
        self.others = others

    def __call__(self, image: np.ndarray, box: tuple[slice, slice], rng: Generator) -> np.ndarray:
        height, width = image[box].shape[:2]
        other = self.others[int(rng.integers(len(self.others)))]
        scale = float(np.clip(rng.normal(1, 0.4), 0.5, 2)) if rng.random() < 0.5 else 1.0
        sides = [min(limit, max(4, round(side / scale))) for side, limit in zip((height, width), other.shape, strict=False)]
        top, left = (int(rng.integers(0, limit - side + 1)) for side, limit in zip(sides, other.shape, strict=False))
        patch = other[top : top + sides[0], left : left + sides[1]][:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
        return cv2.resize(np.ascontiguousarray(patch), (width, height)).reshape(height, width, -1)


def painted(X: np.ndarray, others: Sequence[np.ndarray], rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """X, float32 (h, w, 3) in [0, 1], with defects, and the label (h, w) in [0, 1] of each pixel: 0 where nothing changed.

    `others`: normal images whose patches are used, (h', w', 3).
    """
    Y, M = X.copy(), np.zeros(X.shape[:2], bool)
    foreign = Foreign(others)
    kinds: list[Content] = [foreign, Elastic((1, 6), (3, 10)), Tone((0.4, 3), (0, 1.2)), Texture((1, 6), (1, 1)), Blur((1, 4))]
    for number in range(PATCHES):
        if number and rng.random() < 0.5:
            continue
        box, shape = _place(X.shape[:2], rng)
        if rng.random() < POISSON:
            clone(Y, foreign(Y, box, rng), box, shape, MIXED, rng)
        else:
            kind = kinds[int(rng.choice(len(kinds), p=(0.25, 0.2, 0.3, 0.15, 0.1)))]
            patch = np.clip(kind(Y, box, rng), 0, 1, dtype=np.float32)
            _blend(Y, patch, box, shape, 1.0 if isinstance(kind, Elastic) else rng.uniform(FAINTEST, 1), rng)
        M[box] |= shape
    if (X[..., :1] == X).all():  # in a grey image a colour would give a defect away
        Y = np.repeat(Y.mean(2, keepdims=True), 3, 2)
    return Y, _label(X, Y, M)


def _place(image: tuple[int, int], rng: Generator) -> tuple[tuple[slice, slice], np.ndarray]:
    """A box inside an image of this size, without its border, and the patch's shape in it, bool."""
    if rng.random() < BANDS:
        axis = int(rng.random() < 0.3)  # more often across: cameras and rollers see rows
        sides = [side - 2 for side in image]
        sides[axis] = max(6, int(rng.uniform(0.1, 0.5) * image[axis]))
        shape = np.ones(sides, bool)
    else:
        share = SHORTEST + rng.gamma(2, TYPICAL / 2, 2)
        sides = [int(np.clip(s * side, 6, LONGEST * side)) for s, side in zip(share, image, strict=True)]
        draw = stroke if rng.random() < STROKES else (blob, ellipse, rectangle)[int(rng.integers(3))]
        shape = draw((sides[0], sides[1]), rng)
    top, left = (int(rng.integers(1, side - own)) for side, own in zip(image, shape.shape, strict=True))
    return (slice(top, top + shape.shape[0]), slice(left, left + shape.shape[1])), shape


def clone(Y: np.ndarray, patch: np.ndarray, box: tuple[slice, slice], shape: np.ndarray, mixed: float, rng: Generator) -> None:
    """Blend the patch (h, w, 3) into Y by Poisson's equation where `shape` (h, w) is True, in place: its gradients, on the
    brightness of its surroundings. `mixed`: probability that the stronger of both gradients counts.

    The box must leave at least one pixel of Y on each side. A shape that is too thin for OpenCV changes nothing.
    """
    mask = np.pad(shape, 1).astype(np.uint8) * 255
    mask[:2], mask[-2:], mask[:, :2], mask[:, -2:] = 0, 0, 0, 0  # OpenCV wants a margin
    rows, columns = np.nonzero(mask)
    if rows.size < 16 or min(np.ptp(rows), np.ptp(columns)) < THINNEST:
        return
    x, y = ((int(places.min()) + int(places.max()) + 1) // 2 for places in (columns, rows))  # OpenCV counts the middle so
    centre = box[1].start - 1 + x, box[0].start - 1 + y
    source, target = (np.rint(255 * image).astype(np.uint8) for image in (np.pad(patch, ((1, 1), (1, 1), (0, 0)), "edge"), Y))
    mode = cv2.MIXED_CLONE if rng.random() < mixed else cv2.NORMAL_CLONE
    cloned = cv2.seamlessClone(source, target, mask, centre, mode)
    inside = np.zeros(Y.shape[:2], bool)
    inside[box] = shape
    # the change is added, so that the rounding to 8 bits does not give the patch away
    Y[inside] = (Y[inside] + (cloned[inside].astype(np.float32) - target[inside]) / 255).clip(0, 1)


def _blend(
    Y: np.ndarray, patch: np.ndarray, box: tuple[slice, slice], shape: np.ndarray, opacity: float, rng: Generator
) -> None:
    """Blend the patch into Y with an opacity in [0, 1] and soft edges, in place."""
    soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), rng.uniform(0.3, 1.5))[..., None] * np.float32(opacity)
    Y[box] = (1 - soft) * Y[box] + soft * patch


def _label(X: np.ndarray, Y: np.ndarray, M: np.ndarray) -> np.ndarray:
    """A logistic function of the change |Y − X| of the most changed channel, without lone pixels; 0 outside M."""
    change = cv2.medianBlur((255 * np.abs(Y - X).max(2)).clip(0, 255).astype(np.uint8), MEDIAN).astype(np.float32) / 255
    half = max(LEAST, SOFT * float(X.std()))
    label = 1 / (1 + np.exp(-3 * (change - half) / half))
    return np.where(M & (change > 0), label, 0).astype(np.float32)
