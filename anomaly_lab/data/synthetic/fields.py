"""Scalar fields over the image plane: coordinates, smooth noise, cells, and what becomes of them: blurred, lit, mixed.

A field has the shape (SIZE, SIZE). Lengths are in pixels, angles in radians. Positions are measured from the image's centre.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256
MIDDLE = (SIZE - 1) / 2  # of a row or a column: the origin of all positions

Field = NDArray[np.floating]
Image = NDArray[np.floating]  # (SIZE, SIZE, 3), RGB, nominally in [0, 1]: the camera clips the rest
EVERYWHERE: Field = np.ones((SIZE, SIZE), np.float32)  # the region of a scene without an outline


def coordinates(centre: tuple[float, float] = (0.0, 0.0), angle: float = 0.0) -> tuple[Field, Field]:
    """The fields x and y of a coordinate system with its origin at `centre`, turned by `angle`."""
    axis = np.arange(SIZE, dtype=np.float32) - MIDDLE
    x, y = axis[None, :] - float(centre[0]), axis[:, None] - float(centre[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def smoothstep(low: float, high: float, value: Field) -> Field:
    """A smooth step: 0 where `value` ≤ `low`, 1 where `value` ≥ `high`; falling where `low` > `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def noise(rng: np.random.Generator, period: float, period_y: float | None = None) -> Field:
    """Smooth noise of mean 0 and deviation 1.2, roughly. Features are about `period` wide and `period_y` high (None: same)."""
    shape = max(2, round(SIZE / (period_y or period))), max(2, round(SIZE / period))
    return 1.4 * cv2.resize(rng.standard_normal(shape, dtype=np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def cells(rng: np.random.Generator, x: Field, y: Field, pitch: float) -> tuple[Field, Field, NDArray[np.int32]]:
    """Voronoi cells of jittered lattice points: (distance to the nearest point, to the second nearest, nearest point's number).

    `pitch`: the lattice constant. Only the 3 × 3 neighbours in the lattice are searched, which is many times faster than a k-d
    tree. The second distance is wrong in rare corner cases, which nobody sees.
    """
    side = 2 * int(SIZE / pitch) + 4  # twice the image's width, since x and y may be turned and warped
    row, column = np.divmod(np.arange(side * side), side)
    jitter = rng.uniform(0.12, 0.88, (2, side * side))
    point_x, point_y = (column + jitter[0]).astype(np.float32), (row + jitter[1]).astype(np.float32)
    u, v = (x / pitch + side / 2).astype(np.float32), (y / pitch + side / 2).astype(np.float32)
    home = np.floor(v).astype(np.int32) * side + np.floor(u).astype(np.int32)
    first, second, number = np.full_like(u, np.inf), np.full_like(u, np.inf), np.zeros(u.shape, np.int32)
    for step in (-side - 1, -side, -side + 1, -1, 0, 1, side - 1, side, side + 1):
        neighbour = home + step
        distance = (point_x[neighbour] - u) ** 2 + (point_y[neighbour] - v) ** 2
        number = np.where(distance < first, neighbour, number)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return np.sqrt(first) * np.float32(pitch), np.sqrt(second) * np.float32(pitch), number


def blur(field: NDArray[np.floating], sigma: float) -> NDArray[np.floating]:
    """Gaussian blur of a field or an image; `sigma` is the standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def shifted(field: Field, by: int) -> Field:
    """The field moved `by` pixels to the right and down; its edge is repeated (np.roll would wrap it around)."""
    return np.pad(field, ((by, 0), (by, 0)), mode="edge")[:SIZE, :SIZE]


def shade(height: Field, light: tuple[float, float] = (-0.7, -0.7)) -> Field:
    """Brightness in [0, 2] of a relief with `height` in pixels; 1 where it is flat. `light` (x, y) points towards the lamp."""
    dy, dx = np.gradient(height)
    return np.asarray(np.clip(1 - light[0] * dx - light[1] * dy, 0, 2), np.float32)


def mix(under: Image, over: Image | tuple[float, ...], alpha: Field) -> Image:
    """Lay `over`, an image or a colour, on `under` with the opacity `alpha`, a field in [0, 1]."""
    return (under + (np.asarray(over, np.float32) - under) * alpha[..., None]).astype(np.float32)
