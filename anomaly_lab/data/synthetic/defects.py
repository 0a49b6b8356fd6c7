"""Defects on a finished surface: stains, scratches, cracks, threads, holes and the like.

Each function takes a scene and a generator, and returns the scene's picture with the defect, before light and camera. Lengths
and radii are ranges in pixels, opacities and strengths ranges in [0, 1]; a value is drawn from each. `reader` makes the masks,
from the difference between the images with and without the defect.
"""

from typing import Protocol

import cv2
import numpy as np
from numpy.random import Generator

from anomaly_lab.data.synthetic.fields import MIDDLE, SIZE, Field, Image, blur, coordinates, mix, noise, shifted, smoothstep
from anomaly_lab.data.synthetic.shapes import blob, curve, letters, stroke

Span = tuple[float, float]
Colour = tuple[float, float, float]


class Scene(Protocol):
    """What a defect needs to know about the scene."""

    @property
    def region(self) -> Field:
        """(SIZE, SIZE) in [0, 1]: 1 where a defect may lie."""

    def render(self) -> Image:
        """The picture without a defect, (SIZE, SIZE, 3), nominally in [0, 1]."""


def place(scene: Scene, rng: Generator, margin: int) -> tuple[float, float]:
    """A random point (x, y) of the scene's region, in pixels from the image's centre, at least `margin` ≥ 1 px inside its rim.

    In a region that is too narrow, the point keeps 80 % of the largest possible distance instead.
    """
    inside = np.pad((scene.region > 0.5).astype(np.uint8), 1)
    room = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.nonzero(room >= min(margin, 0.8 * room.max()))
    chosen = rng.integers(len(rows))
    return float(columns[chosen]) - MIDDLE, float(rows[chosen]) - MIDDLE


def stain(scene: Scene, rng: Generator, colours: tuple[Colour, ...], radius: Span, opacity: Span, rim: float = 0.0) -> Image:
    """A blot that dyes the surface; the relief stays visible. `rim`, 0 to 1, darkens its edge."""
    size = rng.uniform(*radius)
    depth = blob(rng, place(scene, rng, int(size)), size, rng.uniform(1.0, 2.0))
    alpha = smoothstep(-2.5, 2.5, depth + 1.5 * noise(rng, 12))
    picture = scene.render()
    grey = picture.mean(axis=2, keepdims=True)
    usual = float(np.average(grey[..., 0], weights=scene.region))
    dyed = np.asarray(colours[rng.integers(len(colours))], np.float32) * grey / usual
    strength = rng.uniform(*opacity) * alpha * scene.region
    return mix(picture, dyed, strength) * (1 - rim * scene.region * np.exp(-((depth / 3.0) ** 2)))[..., None]


def scratch(
    scene: Scene, rng: Generator, length: Span, width: Span, strength: Span, count: int = 1, heading: float | None = None
) -> Image:
    """One to `count` grooves, each with a light and a dark flank. `heading`: their mean direction in radians; None for any."""
    picture = scene.render()
    extent = rng.uniform(*length)
    x, y = place(scene, rng, int(extent / 3))
    heading = rng.uniform(0, np.pi) if heading is None else heading + rng.normal(0, 0.1)
    sign = rng.choice([-1.0, 1.0])
    for _ in range(rng.integers(1, count + 1)):
        start = (x + rng.normal(0, 6 * (count > 1)), y + rng.normal(0, 6 * (count > 1)))
        points = curve(rng, start, extent * rng.uniform(0.7, 1.0), 0.25, 0.03, heading)
        thick, amount = rng.uniform(*width), sign * rng.uniform(*strength)
        groove = stroke(points, thick, taper=True) * scene.region
        flank = stroke(points + np.float32(thick * 0.8), thick, taper=True) * scene.region
        picture = picture + (amount * (groove - 0.5 * flank))[..., None]
    return picture.astype(np.float32)


def crack(
    scene: Scene, rng: Generator, length: Span, width: Span, depth: Span, branches: int = 2, heading: float | None = None
) -> Image:
    """A jagged dark line, up to `branches` forks, a lit lower edge. `heading` as in `scratch`; None also means more jags."""
    extent, thick = rng.uniform(*length), rng.uniform(*width)
    jag = 0.35 if heading is None else 0.08
    trunk = curve(rng, place(scene, rng, int(extent / 3)), extent, 0.3, jag, heading)
    gap = stroke(trunk, thick, taper=True)
    for _ in range(rng.integers(0, branches + 1)):
        fork = trunk[rng.integers(len(trunk) // 4, 3 * len(trunk) // 4)]
        twig = curve(rng, (0.0, 0.0), extent * rng.uniform(0.25, 0.45), 0.3, jag, heading)
        gap = np.maximum(gap, stroke(twig - twig[0] + fork, thick * 0.7, taper=True))
    gap = gap * scene.region
    edge = np.clip(shifted(gap, 1) - gap, 0, 1)
    picture = scene.render() * (1 - rng.uniform(*depth) * gap)[..., None]
    return (picture + 0.10 * edge[..., None]).astype(np.float32)


def thread(scene: Scene, rng: Generator, colours: tuple[Colour, ...], length: Span, width: Span, opacity: Span) -> Image:
    """A loose round fibre on the surface, lit from above, that casts a shadow."""
    extent, thick = rng.uniform(*length), rng.uniform(*width)
    points = curve(rng, place(scene, rng, int(extent / 4)), extent, 0.9)
    body = stroke(points, thick)
    shadow = np.clip(blur(shifted(body, 2), 1.0), 0, 1) * (1 - body)
    lit = stroke(points - np.float32(thick * 0.18), thick * 0.45)
    yarn = np.asarray(colours[rng.integers(len(colours))], np.float32) * (0.75 + 0.4 * lit)[..., None]
    picture = scene.render() * (1 - 0.25 * shadow * scene.region)[..., None]
    return mix(picture, yarn.astype(np.float32), rng.uniform(*opacity) * body * scene.region)


def hole(scene: Scene, rng: Generator, radius: Span, darkness: Span, count: int = 1) -> Image:
    """One to `count` round pits: dark inside, with a lit rim at the lower right."""
    picture = scene.render()
    x, y = place(scene, rng, 24)
    for _ in range(rng.integers(1, count + 1)):
        size, spread = rng.uniform(*radius), 14.0 * (count > 1)
        centre = (x + rng.uniform(-spread, spread), y + rng.uniform(-spread, spread))
        depth = blob(rng, centre, size, 1.1, 0.06)
        pit = smoothstep(-1.2, 1.2, depth) * scene.region
        rim = np.exp(-(((depth + 1.5) / 1.6) ** 2)) * scene.region
        u, v = coordinates(centre)
        side = np.clip((u + v) / (1.4 * size + 1), -1, 1)
        picture = picture * (1 - rng.uniform(*darkness) * pit)[..., None] + (0.12 * rim * side)[..., None]
    return picture.astype(np.float32)


def fold(scene: Scene, rng: Generator, length: Span, width: Span, strength: Span) -> Image:
    """A crease: one flank is lit and the other shaded, so that the mean brightness stays."""
    extent, thick = rng.uniform(*length), rng.uniform(*width)
    points = curve(rng, place(scene, rng, int(extent / 3)), extent, 0.25)
    dy, dx = np.gradient(blur(stroke(points, thick, taper=True), thick * 0.45))
    relief = 1 - rng.uniform(*strength) * np.clip((dx + dy) * thick * 1.2, -0.9, 0.9)
    return (scene.render() * relief[..., None]).astype(np.float32)


def glue(scene: Scene, rng: Generator, colour: Colour, radius: Span, aspect: Span, opacity: Span) -> Image:
    """A clear, raised smear: it blurs and tints the surface, and shines along its upper edge."""
    size = rng.uniform(*radius)
    depth = blob(rng, place(scene, rng, int(size)), size, rng.uniform(*aspect))
    alpha = smoothstep(-1.2, 1.2, depth) * scene.region
    picture = scene.render()
    film = mix(blur(picture, 1.8), colour, np.full((SIZE, SIZE), rng.uniform(*opacity), np.float32))
    dy, dx = np.gradient(smoothstep(-3, 5, depth))
    return (mix(picture, film, alpha) + (0.4 * ((dx + dy) * scene.region))[..., None]).astype(np.float32)


def fragments(scene: Scene, rng: Generator, colours: tuple[Colour, ...], radius: Span, count: int) -> Image:
    """One to `count` angular chips of foreign matter close together, each with a light and a dark edge."""
    picture = scene.render()
    x, y = place(scene, rng, 22)
    for _ in range(rng.integers(1, count + 1)):
        spread = 16.0 * (count > 1)
        centre = (x + rng.uniform(-spread, spread), y + rng.uniform(-spread, spread))
        depth = blob(rng, centre, rng.uniform(*radius), rng.uniform(1.2, 2.8), rough=0.25)
        body = smoothstep(-0.8, 0.8, depth) * scene.region
        dy, dx = np.gradient(smoothstep(-1, 4, depth))
        colour = np.asarray(colours[rng.integers(len(colours))], np.float32)
        matter = colour * (1 + 0.08 * noise(rng, 4) + 1.2 * (dx + dy))[..., None]
        shadow = shifted(blur(body, 1.5), 2) * (1 - body) * scene.region
        picture = mix(picture * (1 - 0.35 * shadow)[..., None], matter.astype(np.float32), body)
    return picture


def lettering(scene: Scene, rng: Generator, colour: Colour, height: Span, opacity: Span) -> Image:
    """Two to four random capital letters, partly worn off."""
    text = "".join(chr(65 + letter) for letter in rng.integers(0, 26, rng.integers(2, 5)))
    scale = rng.uniform(*height) / 21  # `letters` are 21 px high at scale 1
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    ink = letters(text, scale, 2, *coordinates(place(scene, rng, int(width / 3)), rng.uniform(-np.pi, np.pi)))
    worn = smoothstep(-1.6, -0.4, noise(rng, 9))
    return mix(scene.render(), colour, rng.uniform(*opacity) * ink * worn * scene.region)


def rough_patch(scene: Scene, rng: Generator, radius: Span, strength: Span) -> Image:
    """A patch without polish: light and dark grains around the surface's own colour."""
    size = rng.uniform(*radius)
    depth = blob(rng, place(scene, rng, int(size)), size, rng.uniform(1.0, 1.7))
    grain = blur(rng.standard_normal((SIZE, SIZE), dtype=np.float32), 1.1) * 3.5
    amount = rng.uniform(*strength) * smoothstep(-3, 3, depth) * scene.region
    return (scene.render() * (1 + amount * np.clip(grain, -2.5, 2.5))[..., None]).astype(np.float32)
