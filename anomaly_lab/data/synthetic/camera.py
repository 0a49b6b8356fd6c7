"""The camera: lighting, exposure, blur and sensor noise.

The same camera photographs a scene with and without its defect, so that the two images differ only in the defect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.data.synthetic.fields import Field, Image, blur, coordinates, noise

BRIGHTNESS = 0.14  # largest relative change of an image's exposure
CONTRAST = 0.12  # largest relative change of its contrast


@dataclass(frozen=True)
class Camera:
    """How a scene becomes an 8-bit image."""

    light: Field  # factor on the scene's brightness
    brightness: float  # factors of the exposure
    contrast: float
    sharpness: float  # standard deviation of the blur in pixels
    grain: Image  # sensor noise in grey levels

    def photograph(self, scene: Image, pivot: float) -> NDArray[np.uint8]:
        """The scene's uint8 RGB image, (SIZE, SIZE, 3). The contrast changes around the grey value `pivot`, in [0, 1]."""
        exposed = (pivot + (scene * self.light[..., None] - pivot) * self.contrast) * self.brightness
        return np.clip(np.rint(blur(exposed, self.sharpness) * 255 + self.grain), 0, 255).astype(np.uint8)


def radical_inverse(index: int, base: int) -> float:
    """Element `index`, from 0, of the van der Corput sequence: consecutive elements fill [0, 1) evenly."""
    value, weight = 0.0, 1.0 / base
    while index:
        index, digit = divmod(index, base)
        value += digit * weight
        weight /= base
    return value


def sample_camera(rng: np.random.Generator, index: int) -> Camera:
    """Draw the camera for image number `index` of its set, with exposure and contrast from a Halton sequence.

    So a small set's normal and defective images cover the same range evenly, and exposure does not separate them by chance.
    """
    x, y = coordinates(angle=rng.uniform(0, 2 * np.pi))
    slope, vignette = rng.uniform(0.02, 0.09), rng.uniform(0.0, 0.05)
    light = 1 + slope * x / 128 - vignette * (x * x + y * y) / 128**2 + 0.012 * noise(rng, 128)
    return Camera(
        light=light.astype(np.float32),
        brightness=1 + BRIGHTNESS * (2 * radical_inverse(index + 1, 2) - 1),
        contrast=1 + CONTRAST * (2 * radical_inverse(index + 1, 3) - 1),
        sharpness=rng.uniform(0.55, 0.75),
        grain=rng.uniform(1.0, 1.8) * rng.standard_normal((*x.shape, 3), dtype=np.float32),
    )
