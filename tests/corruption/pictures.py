"""Images of many kinds, from noise to flat grey, and one content of each class."""

import numpy as np

from anomaly_lab.corruption.contents import Blur, Cutout, Elastic, Swap, Texture
from anomaly_lab.data.images import to_unit

PICTURES = ("noise", "stripes", "ramp", "black", "white", "flat")
EVERYWHERE = (slice(None), slice(None))  # the box of a patch that is the whole image
ELASTIC = Elastic((2.0, 8.0), (4.0, 16.0))
CONTENTS = (ELASTIC, Cutout(0.0), Swap(), Texture((2.0, 12.0), (0.3, 1.0)), Blur((1.5, 5.0)))


def picture(kind: str, height: int, width: int, grey: bool, seed: int = 0) -> np.ndarray:
    """An image as `to_unit` returns it: float32 (H, W, 3) in [0, 1]; a grey one has three equal channels."""
    rng = np.random.default_rng([seed, height, width])
    channels = 1 if grey else 3
    rows, columns = np.mgrid[:height, :width][..., None]
    pixels = {
        "noise": lambda: rng.integers(0, 256, (height, width, channels)),
        "stripes": lambda: 128 + 100 * np.sin((rows + 2 * columns) / 3 + np.arange(channels)),
        "ramp": lambda: 255 * (rows + columns) / (height + width) + np.zeros(channels),
        "black": lambda: np.zeros((height, width, channels)),
        "white": lambda: np.full((height, width, channels), 255),
        "flat": lambda: np.zeros((height, width, channels)) + rng.integers(0, 256, channels),
    }[kind]()
    return to_unit(pixels.astype(np.uint8))
