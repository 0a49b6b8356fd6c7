"""Shapes as fields: irregular outlines, wandering lines and letters. Units are those of `fields`."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anomaly_lab.data.synthetic.fields import MIDDLE, SIZE, Field, coordinates


def blob(rng: Generator, centre: tuple[float, float], radius: float, aspect: float = 1.0, rough: float = 0.12) -> Field:
    """Depth inside an irregular outline of mean `radius`, length over width `aspect`, relative waves `rough`; < 0 outside."""
    x, y = coordinates(centre, rng.uniform(0, np.pi))
    x, y = x / np.sqrt(aspect), y * np.sqrt(aspect)
    theta = np.arctan2(y, x)
    outline = np.full_like(theta, radius)
    for harmonic in range(2, 7):
        amplitude = radius * rough * rng.uniform(0.3, 1.2) / np.sqrt(harmonic - 1)
        outline += amplitude * np.cos(harmonic * theta + rng.uniform(0, 2 * np.pi))
    return (outline - np.hypot(x, y)).astype(np.float32)


def curve(
    rng: Generator, centre: tuple[float, float], length: float, bend: float, jag: float = 0.0, heading: float | None = None
) -> NDArray[np.float32]:
    """Points (n, 2), float32, along a wandering line around `centre`.

    `bend`: standard deviation of its smooth turns. `jag`: that of its kinks. `heading`: its first direction; None for any.
    """
    count = max(8, int(length / 3))
    start = rng.uniform(0, 2 * np.pi) if heading is None else heading
    turning = np.interp(np.linspace(0, 3, count), np.arange(4), bend * rng.standard_normal(4))
    turning = turning + jag * rng.standard_normal(count)
    points = np.cumsum(np.stack([np.cos(start + turning), np.sin(start + turning)], axis=1) * (length / count), axis=0)
    return (points - points.mean(axis=0) + centre).astype(np.float32)


def stroke(points: NDArray[np.float32], width: float, taper: bool = False) -> Field:
    """Coverage in [0, 1] of each pixel by a line through `points`, (n, 2). `taper`: its ends are thinner."""
    scale = 4  # draw it larger, since widths are fractions of a pixel
    canvas = np.zeros((SIZE * scale, SIZE * scale), np.uint8)
    pixels = np.round((points + MIDDLE + 0.5) * scale).astype(np.int32)
    widths = np.full(len(pixels) - 1, width * scale)
    if taper:
        widths = widths * np.sin(np.linspace(0.35, np.pi - 0.35, len(widths)))
    for start, end, thick in zip(pixels[:-1], pixels[1:], widths, strict=True):
        cv2.line(canvas, start.tolist(), end.tolist(), 255, max(1, round(thick)))
    return cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def letters(text: str, scale: float, thick: int, x: Field, y: Field) -> Field:
    """Coverage in [0, 1] by `text`, centred and upright in the coordinates `x` and `y`; about 21·`scale` px high."""
    canvas, font = np.zeros((SIZE, SIZE), np.uint8), cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, scale, thick)
    cv2.putText(canvas, text, ((SIZE - width) // 2, (SIZE + height) // 2), font, scale, 255, thick, cv2.LINE_AA)
    middle = np.float32(MIDDLE)
    return cv2.remap(canvas, x + middle, y + middle, cv2.INTER_LINEAR).astype(np.float32) / 255
