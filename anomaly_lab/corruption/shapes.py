"""Shapes of patches: (height, width) and a random generator → mask (height, width), bool."""

import cv2
import numpy as np
from numpy.random import Generator

ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def blob(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """A filled smooth closed curve; its radius is a sum of five random Fourier modes."""
    radius = np.ones_like(ANGLES)
    for mode in range(1, 6):
        radius += rng.normal(0, 0.25 / mode) * np.cos(mode * ANGLES + rng.uniform(0, 2 * np.pi))
    return _polygon(size, np.clip(radius, 0.2, None) / radius.max())


def ellipse(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """The ellipse that touches all four sides of the patch."""
    return _polygon(size, np.ones_like(ANGLES))


def rectangle(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """The whole patch."""
    return np.ones(size, bool)


def stroke(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """A thin curved line across the patch, like a scratch or a thread."""
    ends = rng.uniform(0, 1, (3, 2)) * (size[1] - 1, size[0] - 1)
    t = np.linspace(0, 1, 32)[:, None]
    curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]  # quadratic Bézier
    thickness = int(rng.integers(1, 2 + max(1, min(size) // 16)))
    canvas = np.zeros(size, np.uint8)
    cv2.polylines(canvas, [np.round(curve).astype(np.int32)], False, 1, thickness)
    return canvas > 0


def _polygon(size: tuple[int, int], radius: np.ndarray) -> np.ndarray:
    """The filled polygon with corners at these radii, in [0, 1], in the directions `ANGLES`, scaled to the patch."""
    half = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    corners = np.round(np.stack([radius * np.cos(ANGLES), radius * np.sin(ANGLES)], 1) * half + half).astype(np.int32)
    return cv2.fillPoly(np.zeros(size, np.uint8), [corners], 1) > 0


SHAPES = {"blob": blob, "ellipse": ellipse, "rectangle": rectangle, "stroke": stroke}
