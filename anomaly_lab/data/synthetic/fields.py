"""Scalar fields over the image plane: coordinates, smooth noise, cells, blobs and strokes.

A field has the shape (SIZE, SIZE). Lengths are in pixels, angles in radians. Positions are measured from the image's centre.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256

Field = NDArray[np.floating]
Image = NDArray[np.floating]  # (SIZE, SIZE, 3), RGB, nominally in [0, 1]: the camera clips the rest


def coordinates(centre: tuple[float, float] = (0.0, 0.0), angle: float = 0.0) -> tuple[Field, Field]:
    """The fields x and y of a coordinate system with its origin at `centre`, turned by `angle`."""
    axis = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    x, y = axis[None, :] - float(centre[0]), axis[:, None] - float(centre[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def smoothstep(low: float, high: float, value: Field) -> Field:
    """A smooth step: 0 where `value` ≤ `low`, 1 where `value` ≥ `high`; falling where `low` > `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def noise(rng: np.random.Generator, period: float, period_y: float | None = None) -> Field:
    """Smooth noise with a mean of about 0 and a standard deviation of about 1.2.

    Its features are about `period` wide and `period_y` high (None: the same).
    """
    columns = max(2, round(SIZE / period))
    rows = max(2, round(SIZE / (period_y or period)))
    lattice = rng.standard_normal((rows, columns), dtype=np.float32)
    return 1.4 * cv2.resize(lattice, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


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
    first = np.full_like(u, np.inf)
    second = first.copy()
    number = np.zeros(u.shape, np.int32)
    for step in (-side - 1, -side, -side + 1, -1, 0, 1, side - 1, side, side + 1):
        neighbour = home + step
        distance = (point_x[neighbour] - u) ** 2 + (point_y[neighbour] - v) ** 2
        number = np.where(distance < first, neighbour, number)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return np.sqrt(first) * np.float32(pitch), np.sqrt(second) * np.float32(pitch), number


def blob(
    rng: np.random.Generator,
    centre: tuple[float, float],
    radius: float,
    aspect: float = 1.0,
    rough: float = 0.12,
) -> Field:
    """Depth of each pixel inside an irregular closed outline: positive inside, negative outside.

    `radius`: the outline's mean radius. `aspect`: length over width. `rough`: relative amplitude of the outline's waves.
    """
    x, y = coordinates(centre, rng.uniform(0, np.pi))
    x, y = x / np.sqrt(aspect), y * np.sqrt(aspect)
    theta = np.arctan2(y, x)
    outline = np.full_like(theta, radius)
    for harmonic in range(2, 7):
        amplitude = radius * rough * rng.uniform(0.3, 1.2) / np.sqrt(harmonic - 1)
        outline += amplitude * np.cos(harmonic * theta + rng.uniform(0, 2 * np.pi))
    return (outline - np.hypot(x, y)).astype(np.float32)


def curve(
    rng: np.random.Generator,
    centre: tuple[float, float],
    length: float,
    bend: float,
    jag: float = 0.0,
    heading: float | None = None,
) -> NDArray[np.float32]:
    """Points (n, 2), float32, along a wandering line around `centre`.

    `bend`: standard deviation of its smooth turns. `jag`: that of its kinks. `heading`: its first direction; None for any.
    """
    count = max(8, int(length / 3))
    start = rng.uniform(0, 2 * np.pi) if heading is None else heading
    knots = bend * rng.standard_normal(4)
    turning = np.interp(np.linspace(0, 3, count), np.arange(4), knots) + jag * rng.standard_normal(count)
    steps = np.stack([np.cos(start + turning), np.sin(start + turning)], axis=1) * (length / count)
    points = np.cumsum(steps, axis=0)
    return (points - points.mean(axis=0) + centre).astype(np.float32)


def stroke(points: NDArray[np.float32], width: float, taper: bool = False) -> Field:
    """Coverage in [0, 1] of each pixel by a line through `points`, (n, 2). `taper`: its ends are thinner.

    It is drawn four times larger, since widths are fractions of a pixel.
    """
    scale = 4
    canvas = np.zeros((SIZE * scale, SIZE * scale), np.uint8)
    pixels = np.round((points + (SIZE - 1) / 2 + 0.5) * scale).astype(np.int32)
    widths = np.full(len(pixels) - 1, width * scale)
    if taper:
        widths = widths * np.sin(np.linspace(0.35, np.pi - 0.35, len(widths)))
    for start, end, thick in zip(pixels[:-1], pixels[1:], widths, strict=True):
        cv2.line(canvas, start.tolist(), end.tolist(), 255, max(1, round(thick)))
    return cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


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
