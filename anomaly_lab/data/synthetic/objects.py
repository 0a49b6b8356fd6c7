"""Objects on a plain ground (a bottle seen from above, a hazelnut, a metal nut, a pill), and defects of their shape."""

from dataclasses import dataclass, replace

import numpy as np

from anomaly_lab.data.synthetic.fields import MIDDLE, Field, Image, blur, coordinates, mix, noise, shade, shifted, smoothstep
from anomaly_lab.data.synthetic.shapes import blob, letters


@dataclass(frozen=True)
class Part:
    """An object: `skin` where `depth` > 0, `ground` elsewhere; `centre` and `angle` are its pose."""

    skin: Image
    ground: Image
    depth: Field  # distance from the outline in pixels, positive inside
    centre: tuple[float, float]
    angle: float
    fracture: tuple[float, float, float]  # RGB in [0, 1] of a broken face

    @property
    def region(self) -> Field:
        """(SIZE, SIZE) in [0, 1]: 1 on the object, where defects may lie."""
        return smoothstep(-0.8, 0.8, self.depth)

    def render(self) -> Image:
        """The picture, (SIZE, SIZE, 3), nominally in [0, 1], with a soft shadow at the lower right."""
        shadow = shifted(blur(self.region, 5.0), 5)
        return mix(self.ground * (1 - 0.35 * shadow)[..., None], self.skin, self.region)


def _pose(rng: np.random.Generator, turn: float, shift: float) -> tuple[tuple[float, float], float]:
    return tuple(rng.uniform(-shift, shift, 2)), float(rng.uniform(-turn, turn))


def _ground(rng: np.random.Generator, colour: tuple[float, float, float]) -> Image:
    return (np.asarray(colour, np.float32) * (1 + 0.03 * noise(rng, 64))[..., None]).astype(np.float32)


def sample_hazelnut(rng: np.random.Generator) -> Part:
    """A drop-shaped hazelnut at any angle, with stripes from tip to cap."""
    centre, angle = _pose(rng, np.pi, 8)
    x, y = coordinates(centre, angle)
    length, width = rng.uniform(90, 97), rng.uniform(72, 78)
    y = y - 2.0 * noise(rng, 128)
    taper = 1 - 0.20 * np.clip(x / length, -1, 1) - 0.10 * np.clip(x / length, 0, 1) ** 2
    radius = np.sqrt((x / length) ** 2 + (y / (width * taper)) ** 2)
    depth = (1 - radius) * width
    dome = np.sqrt(np.clip(1 - radius**2, 0, 1))
    half = width * taper * np.sqrt(np.clip(1 - (x / length) ** 2, 0.05, 1))
    meridian = np.arcsin(np.clip(y / half, -1, 1))
    lattice = blur(rng.standard_normal((1, 97), dtype=np.float32), 0.6)[0]
    stripe = np.interp(meridian, np.linspace(-np.pi / 2, np.pi / 2, lattice.size), lattice)
    tone = 1 + 0.13 * stripe + 0.03 * noise(rng, 5) + 0.03 * noise(rng, 30)
    skin = np.asarray((0.58, 0.34, 0.17), np.float32) * tone[..., None]
    edge = x + length * (0.62 + 0.02 * np.cos(9 * meridian + rng.uniform(0, 6.28))) - 6 * np.cos(meridian) + 6
    cap = np.asarray((0.70, 0.54, 0.36)) * (1 + 0.07 * noise(rng, 3.5) + 0.05 * noise(rng, 12))[..., None]
    skin = mix(skin.astype(np.float32), cap.astype(np.float32), smoothstep(2.5, -2.5, edge))
    bright = (0.30 + 0.70 * dome) * shade(18 * dome, (-0.35, -0.35))
    skin = skin * bright[..., None] + 0.10 * np.exp(-(((1 - dome) / 0.12) ** 2))[..., None]
    return Part(skin.astype(np.float32), _ground(rng, (0.09, 0.09, 0.10)), depth, centre, angle, (0.80, 0.66, 0.48))


def sample_metal_nut(rng: np.random.Generator) -> Part:
    """A hexagonal steel nut at any angle, with a threaded bore."""
    centre, angle = _pose(rng, np.pi, 8)
    x, y = coordinates(centre, angle)
    radius, theta = np.hypot(x, y), np.arctan2(y, x)
    sector = np.remainder(theta + np.pi / 6, np.pi / 3) - np.pi / 6
    depth = np.minimum(np.minimum(84 - radius * np.cos(sector), 93.0 - radius), radius - 37.0)
    grooves = blur(rng.standard_normal((1, 56), dtype=np.float32), 0.8)[0]
    turned = np.interp(radius, np.arange(0, 140, 2.5), grooves)
    world = theta + angle  # the sheen belongs to the lamp, so it does not turn with the nut
    sheen = 0.14 * np.cos(2 * (world - 0.9)) + 0.07 * np.cos(4 * (world - 0.4))
    tone = 0.62 + sheen + 0.035 * turned + 0.012 * noise(rng, 3)
    chamfer = smoothstep(86, 91, radius)
    tone = tone * (1 - 0.25 * chamfer) + 0.20 * chamfer * np.cos(world + 2.3)
    winding = radius - 11 * theta / (2 * np.pi)  # one turn advances by one period
    thread = smoothstep(52, 50, radius)
    groove = 0.45 + 0.22 * np.sin(2 * np.pi * winding / 11) - 0.15 * np.cos(world + 2.3)
    tone = tone * (1 - thread) + groove * thread
    skin = np.asarray((0.98, 1.0, 1.04), np.float32) * tone[..., None]
    return Part(skin.astype(np.float32), _ground(rng, (0.15, 0.17, 0.20)), depth, centre, angle, (0.40, 0.40, 0.42))


def sample_pill(rng: np.random.Generator) -> Part:
    """A cream tablet with red specks and embossed letters, turned by up to 25°."""
    centre, angle = _pose(rng, np.radians(25), 10)
    x, y = coordinates(centre, angle)
    a, b = 104.0, 62.0
    radius = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    depth = (1 - radius) * b
    dome = np.sqrt(np.clip(1 - radius**3, 0, 1))
    specks = np.zeros_like(x, np.float32)
    for speck_x, speck_y in rng.uniform(-1, 1, (70, 2)) * (a, b):
        size = rng.uniform(0.7, 1.7)
        specks[(x - speck_x) ** 2 + (y - speck_y) ** 2 < size * size] = rng.uniform(0.3, 0.8)
    chalk = 1 + 0.010 * noise(rng, 4) + 0.012 * noise(rng, 30)
    skin = np.asarray((0.86, 0.82, 0.74), np.float32) * chalk[..., None]
    skin = mix(skin.astype(np.float32), (0.66, 0.26, 0.20), blur(specks, 0.6))
    imprint = blur(letters("FF", 1.5, 5, x, y), 1.2)
    relief = shade(15 * dome - 1.6 * imprint, (-0.35, -0.35)) * (0.55 + 0.45 * dome) * (1 - 0.10 * imprint)
    skin = skin * relief[..., None]
    return Part(skin.astype(np.float32), _ground(rng, (0.12, 0.14, 0.13)), depth, centre, angle, (0.90, 0.87, 0.80))


def sample_bottle(rng: np.random.Generator) -> Part:
    """An amber bottle seen from above: shoulder, lip and dark bore are rings that reflect the lamps."""
    centre, angle = _pose(rng, np.pi, 6)
    x, y = coordinates(centre)
    x, y = x + 0.5 * noise(rng, 100), y + 0.5 * noise(rng, 100)
    radius, theta = np.hypot(x, y), np.arctan2(y, x)
    stops = [0, 44, 52, 56, 66, 76, 82, 86, 98, 108, 114]
    profile = np.interp(radius, stops, [0.05, 0.07, 0.14, 0.62, 0.88, 0.70, 0.40, 0.22, 0.34, 0.26, 0.12])
    lamps = np.cos(2 * (theta + 0.7)) ** 2
    lip = np.exp(-(((radius - 66) / 4.0) ** 2)) * lamps**2
    shoulder = np.exp(-(((radius - 98) / 5.0) ** 2)) * smoothstep(0.3, 0.95, np.cos(2 * (theta - 0.8)))
    skin = np.asarray((0.78, 0.46, 0.20), np.float32) * (blur(profile, 1.5) * (1 + 0.03 * noise(rng, 14)))[..., None]
    skin = skin + (0.36 * lip + 0.22 * shoulder)[..., None]
    return Part(skin.astype(np.float32), _ground(rng, (0.74, 0.75, 0.76)), 114.0 - radius, centre, angle, (0.5, 0.3, 0.1))


def chipped(part: Part, rng: np.random.Generator, size: tuple[float, float]) -> Image:
    """A piece of the rim is missing; `size` is the range of its radius in pixels. The broken face is a rough edge."""
    rim = np.argwhere(np.abs(part.depth) < 1.0)
    row, column = rim[rng.integers(len(rim))]
    bite = blob(rng, (column - MIDDLE, row - MIDDLE), rng.uniform(*size), rng.uniform(1.0, 1.8), rough=0.2)
    face = smoothstep(-5.5, -3.5, bite + 0.8 * noise(rng, 6))
    broken = np.asarray(part.fracture, np.float32) * (0.85 + 0.10 * noise(rng, 4))[..., None]
    return replace(part, skin=mix(part.skin, broken, face), depth=np.minimum(part.depth, -bite)).render()


def misprinted(part: Part, rng: np.random.Generator) -> Image:
    """The tablet's imprint is faint or doubled in a place, where the letters are ground away and printed again."""
    x, y = coordinates(part.centre, part.angle)
    worn = smoothstep(-3, 3, blob(rng, part.centre, rng.uniform(14, 24), 1.4))
    slip = float(rng.uniform(5, 9) * rng.choice([-1, 1]))
    ghost = blur(letters("FF", 1.5, 5, x - slip, y + slip / 2), 1.2)
    lit = shade(-1.6 * ghost, (-0.35, -0.35)) * (1 - 0.10 * ghost)
    return replace(part, skin=mix(part.skin, blur(part.skin, 7.0) * lit[..., None], worn)).render()


def flattened(part: Part, rng: np.random.Generator) -> Image:
    """A corner of the nut is hammered flat, with a light or dark dent beside it."""
    x, y = coordinates(part.centre, part.angle)
    corner = (rng.integers(6) + 0.5) * np.pi / 3
    along = x * np.cos(corner) + y * np.sin(corner)
    across = y * np.cos(corner) - x * np.sin(corner)
    depth = np.minimum(part.depth, rng.uniform(76, 84) - along)
    dent = np.exp(-(((along - rng.uniform(66, 74)) / 4.0) ** 2)) * smoothstep(26, 14, np.abs(across))
    skin = part.skin + (rng.choice([-0.22, 0.25]) * dent)[..., None]
    return replace(part, skin=skin.astype(np.float32), depth=depth).render()
