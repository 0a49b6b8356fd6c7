"""Regular textures of crossing threads (the carpet, woven of yarn; the grid, a mesh of wire), and defects of their threads."""

from dataclasses import dataclass, replace

import numpy as np

from anomaly_lab.data.synthetic.fields import EVERYWHERE, SIZE, Field, Image, blur, coordinates, mix, noise, shifted, smoothstep
from anomaly_lab.data.synthetic.shapes import blob

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Threads:
    """A family of parallel threads. Its members are fields; a defect changes `bend`, `keep` or `colour`."""

    across: Field  # coordinate across the threads, px
    along: Field  # coordinate along them, px
    tone: Field  # factor on the brightness; differs from thread to thread and slowly along each
    colour: Image | Colour
    bend: Field | float = 0.0  # sideways displacement, px
    keep: Field | float = 1.0  # 0 where the thread is missing


@dataclass(frozen=True)
class Weave:
    """Two families of threads that pass over and under each other alternately."""

    warp: Threads
    weft: Threads
    pitch: float  # distance between neighbouring threads, px
    width: float  # of a thread, px
    gloss: float  # strength of the highlight along a thread's ridge
    ground: Image
    swap: Field | float = 1.0  # -1 where the upper and the lower thread change places
    region = EVERYWHERE

    def number(self, threads: Threads) -> Field:
        """(SIZE, SIZE): the number of the thread in whose strip a pixel lies."""
        return np.floor(threads.across / self.pitch)

    def _layer(self, threads: Threads, side: float) -> tuple[Image, Field, Field]:
        """(colour, coverage in [0, 1], height from -1 (under) to 1 (over)) of one family of threads."""
        number = self.number(threads)
        t = (threads.across - ((number + 0.5) * self.pitch + threads.bend)) / (self.width / 2)  # -1..1 across the thread
        parity = self.swap * side * np.where(number % 2 == 0, 1, -1)
        height = parity * np.sin(np.pi * threads.along / self.pitch)
        round_ = np.sqrt(np.clip(1 - t * t, 0, 1))
        brightness = threads.tone * (0.42 + 0.58 * round_ - 0.14 * t) * (0.84 + 0.16 * height)
        highlight = self.gloss * np.exp(-(((t + 0.35) / 0.3) ** 2)) * (0.6 + 0.4 * height)
        coverage = np.clip((1 - np.abs(t)) * self.width / 2 + 0.5, 0, 1) * threads.keep
        colour = np.asarray(threads.colour, np.float32) * brightness[..., None] + highlight[..., None]
        return colour.astype(np.float32), coverage.astype(np.float32), height

    def render(self) -> Image:
        """The texture, (SIZE, SIZE, 3), nominally in [0, 1]."""
        warp, warp_cover, warp_height = self._layer(self.warp, 1.0)
        weft, weft_cover, weft_height = self._layer(self.weft, -1.0)
        shadow = shifted(blur(np.maximum(warp_cover, weft_cover), 2.0), 3)
        image = self.ground * (1 - 0.5 * shadow)[..., None]
        warp_first = mix(mix(image, warp, warp_cover), weft, weft_cover)
        weft_first = mix(mix(image, weft, weft_cover), warp, warp_cover)
        return np.where((warp_height > weft_height)[..., None], weft_first, warp_first)


def _threads(rng: np.random.Generator, across: Field, along: Field, pitch: float, uneven: float, colour: Colour) -> Threads:
    """A family of threads that differ slightly in tone and lie slightly beside their places."""
    number = np.floor(across / pitch).astype(int)
    number -= number.min()
    tone = 1 + uneven * np.clip(rng.standard_normal(number.max() + 1), -2, 2)[number] + uneven * 0.7 * noise(rng, 24)
    offset = 0.02 * pitch * np.clip(rng.standard_normal(number.max() + 1), -2, 2)[number]
    return Threads(across, along, tone.astype(np.float32), colour, bend=offset.astype(np.float32))


def sample_carpet(rng: np.random.Generator) -> Weave:
    """A plain weave of indigo warp and sand weft, with a period of about 20 px."""
    pitch = 10.4 * rng.uniform(0.985, 1.015)
    x, y = coordinates(tuple(rng.uniform(-20, 20, 2)), np.radians(rng.uniform(-2.0, 2.0)))
    x, y = x + 0.8 * noise(rng, 90), y + 0.8 * noise(rng, 90)
    ground = np.full((SIZE, SIZE, 3), (0.10, 0.09, 0.09), np.float32)
    indigo, sand = (0.33, 0.40, 0.56), (0.80, 0.70, 0.54)
    warp, weft = _threads(rng, x, y, pitch, 0.035, indigo), _threads(rng, y, x, pitch, 0.035, sand)
    fibre = 0.05 * np.sin(2 * np.pi * (x + y) / 3.4) + 0.025 * rng.standard_normal(x.shape, dtype=np.float32)
    warp, weft = replace(warp, tone=warp.tone + fibre), replace(weft, tone=weft.tone + fibre)
    return Weave(warp, weft, pitch, pitch * 0.98, 0.0, ground)


def sample_grid(rng: np.random.Generator) -> Weave:
    """A diagonal mesh of steel wire on a warm ground, with wires about 27 px apart."""
    pitch = 27.0 * rng.uniform(0.985, 1.015)
    x, y = coordinates(tuple(rng.uniform(-30, 30, 2)), np.radians(45 + rng.uniform(-2.0, 2.0)))
    x, y = x + 0.7 * noise(rng, 110), y + 0.7 * noise(rng, 110)
    ground = np.asarray((0.60, 0.50, 0.38), np.float32) * (1 + 0.02 * noise(rng, 40))[..., None]
    warp, weft = (_threads(rng, *axes, pitch, 0.02, (0.52, 0.57, 0.62)) for axes in ((x, y), (y, x)))
    return Weave(warp, weft, pitch, 9.5, 0.30, ground.astype(np.float32))


def _spot(weave: Weave, rng: np.random.Generator) -> tuple[str, Threads, Field, Field]:
    """A random place on a thread: (its family's name, the family, 1 in its strip and 0 outside, distance along the thread)."""
    name = str(rng.choice(["warp", "weft"]))
    threads: Threads = getattr(weave, name)
    row, column = rng.integers(40, SIZE - 40, 2)
    number = weave.number(threads)
    strip = (number == number[row, column]).astype(np.float32)
    return name, threads, strip, np.abs(threads.along - threads.along[row, column])


def _edit(weave: Weave, name: str, **changes) -> Weave:
    return replace(weave, **{name: replace(getattr(weave, name), **changes)})


def dyed_thread(weave: Weave, rng: np.random.Generator) -> Image:
    """A stretch of one thread has another colour."""
    name, threads, strip, distance = _spot(weave, rng)
    half = rng.uniform(25, 65)
    piece = strip * smoothstep(half + 2, half - 2, distance)
    swatch = ((0.62, 0.30, 0.26), (0.38, 0.56, 0.40), (0.72, 0.62, 0.30), (0.30, 0.36, 0.60))[rng.integers(4)]
    colour = np.broadcast_to(np.asarray(threads.colour, np.float32), (SIZE, SIZE, 3))
    return _edit(weave, name, colour=mix(colour, swatch, piece * rng.uniform(0.6, 0.95))).render()


def misweave(weave: Weave, rng: np.random.Generator) -> Image:
    """A patch where about half of the crossings are inverted: the wrong thread lies above."""
    row, column = rng.integers(50, SIZE - 50, 2)
    wrong = rng.uniform(size=(9, 9)) < 0.5  # random, since a block of inverted crossings is a perfect weave inside
    wrong[4, 4] = True
    indices, inside = [], np.ones((SIZE, SIZE), bool)
    for threads, reach in zip((weave.warp, weave.weft), rng.integers(0, 4, 2), strict=True):
        number = weave.number(threads)
        step = (number - number[row, column]).astype(int)
        inside &= np.abs(step) <= reach
        indices.append(np.clip(step, -4, 4) + 4)
    flipped = inside & wrong[indices[0], indices[1]]
    return replace(weave, swap=np.where(flipped, -1.0, 1.0)).render()


def torn(weave: Weave, rng: np.random.Generator, radius: tuple[float, float], aspect: tuple[float, float]) -> Image:
    """Threads end, frayed, at an outline of mean `radius` in px and length over width `aspect` (ranges): a hole or a slit."""
    depth = blob(rng, tuple(rng.uniform(-75, 75, 2)), rng.uniform(*radius), rng.uniform(*aspect))
    for name in ("warp", "weft"):
        threads: Threads = getattr(weave, name)
        number = weave.number(threads).astype(int)
        fray = rng.uniform(-0.12, 0.12, number.max() - number.min() + 1)[number - number.min()] * weave.pitch
        weave = _edit(weave, name, keep=1 - smoothstep(-1, 1, depth + fray.astype(np.float32)))
    return replace(weave, ground=weave.ground * (0.8 if weave.gloss else 1.0)).render()


def bent_wire(weave: Weave, rng: np.random.Generator) -> Image:
    """One wire is pushed sideways by 4 to 8 px, over the length of one to three meshes."""
    name, threads, strip, distance = _spot(weave, rng)
    push = rng.choice([-1, 1]) * rng.uniform(4.0, 8.0)  # so that it stays in the wire's own strip
    bump = push * strip * np.exp(-((distance / rng.uniform(14, 34)) ** 2))
    return _edit(weave, name, bend=(threads.bend + bump).astype(np.float32)).render()


def broken_wire(weave: Weave, rng: np.random.Generator) -> Image:
    """A piece of one wire is missing."""
    name, _, strip, distance = _spot(weave, rng)
    half = rng.uniform(8, 25)
    return _edit(weave, name, keep=1 - strip * smoothstep(half + 0.8, half - 0.8, distance)).render()
