"""Random textures: leather with a pebbled grain, a terrazzo tile, and wood with growth rings along one axis."""

from dataclasses import dataclass

import numpy as np

from anomaly_lab.data.synthetic.fields import EVERYWHERE, SIZE, Image, blur, cells, coordinates, mix, noise, shade, smoothstep


@dataclass(frozen=True)
class Surface:
    """A finished texture, (SIZE, SIZE, 3), nominally in [0, 1]."""

    albedo: Image
    region = EVERYWHERE

    def render(self) -> Image:
        """The texture, (SIZE, SIZE, 3), nominally in [0, 1]."""
        return self.albedo


def sample_leather(rng: np.random.Generator) -> Surface:
    """Rounded pebbles about 15 px wide, with furrows between them and faint wrinkles across."""
    x, y = coordinates(angle=rng.uniform(0, 2 * np.pi))
    x, y = x + 2.5 * noise(rng, 45), y + 2.5 * noise(rng, 45)
    first, second, number = cells(rng, x, y, 15.0)
    dome = np.sqrt(smoothstep(-0.5, 8.0, second - first))
    tone = rng.uniform(-1, 1, number.max() + 1).astype(np.float32)[number]
    wrinkle = np.exp(-((noise(rng, 26) / 0.12) ** 2))
    relief = shade(blur(1.9 * dome - 0.5 * wrinkle + 0.10 * noise(rng, 4), 0.7))
    brightness = (0.60 + 0.40 * dome) * (0.35 + 0.65 * relief) * (1 + 0.05 * tone + 0.03 * noise(rng, 64))
    hide = np.asarray((0.60, 0.36, 0.22), np.float32) * brightness[..., None]
    return Surface((hide + (0.22 * np.clip(relief - 1.1, 0, 1))[..., None]).astype(np.float32))


TERRAZZO = ((0.36, 0.38, 0.41), (0.66, 0.38, 0.28), (0.93, 0.90, 0.84), (0.48, 0.58, 0.52), (0.80, 0.67, 0.48))


def sample_tile(rng: np.random.Generator) -> Surface:
    """Terrazzo: angular chips of five kinds of stone, up to about 20 px wide, in a pale speckled ground."""
    x, y = coordinates(angle=rng.uniform(0, 2 * np.pi))
    x, y = x + 0.8 * noise(rng, 14), y + 0.8 * noise(rng, 14)
    speckle = 1 + 0.02 * noise(rng, 2.5) + 0.02 * noise(rng, 12)
    image = np.asarray((0.74, 0.72, 0.69), np.float32) * speckle[..., None]
    # first small chips, then large ones over them
    for pitch, share, mortar in ((11.0, 0.35, 3.0), (24.0, 0.75, 3.5)):
        first, second, number = cells(rng, x, y, pitch)
        count = number.max() + 1
        present = rng.uniform(size=count) < share
        gap = (mortar * rng.uniform(0.6, 1.8, count)).astype(np.float32)
        stone = np.asarray(TERRAZZO, np.float32)[rng.integers(len(TERRAZZO), size=count)]
        stone = stone * rng.uniform(0.9, 1.1, (count, 1)).astype(np.float32)
        chip = stone[number] * (1 + 0.035 * noise(rng, 4) + 0.02 * noise(rng, 2))[..., None]
        cover = smoothstep(-0.6, 0.6, second - first - gap[number]) * present[number]
        image = mix(image, chip, cover)
    return Surface(image)


def sample_wood(rng: np.random.Generator) -> Surface:
    """A board sawn lengthwise: nearly vertical rings about 19 px apart, with fibres and pores."""
    tilt = np.radians(rng.uniform(-3, 3))
    x, _ = coordinates((rng.uniform(-50, 50), 0), tilt)
    drift = 5.0 * noise(rng, 80, 128) + 1.0 * noise(rng, 30, 85)
    spacing = 1 + 0.25 * np.sin(2 * np.pi * (x + drift) / rng.uniform(120, 180) + rng.uniform(0, 6.28))
    phase = (x + drift) / 19.0 + 0.6 * (spacing - 1)
    ring = phase - np.floor(phase)  # pale early wood darkens slowly to late wood, which ends sharply
    late = smoothstep(0.2, 0.9, ring) ** 1.5 * smoothstep(1.0, 0.93, ring)
    number = np.floor(phase).astype(int)
    number -= number.min()
    late *= (1 + 0.3 * rng.uniform(-1, 1, number.max() + 1).astype(np.float32))[number]
    pale = np.full((SIZE, SIZE, 3), (0.80, 0.60, 0.39), np.float32)
    wood = mix(pale, (0.52, 0.32, 0.17), np.clip(late * 0.9, 0, 1))
    fibre = 0.03 * noise(rng, 3, 60) + 0.02 * noise(rng, 1.5, 25) + 0.025 * noise(rng, 40, 128)
    pore = smoothstep(1.9, 2.8, noise(rng, 2.0, 12)) * (0.5 + 0.5 * late)
    return Surface((wood * (1 + fibre - 0.22 * pore)[..., None]).astype(np.float32))
