"""Training crops: how large they are, how many make a batch, and how one is cut out of an image."""

import cv2
import numpy as np

from anomaly_lab.data.preprocessing import STRIDE

FEW, MANY = 4, 8  # crops per batch: with sides above `LARGE` pixels, and up to it
LARGE = 160


def crop_size(requested: int | str, image_size: int) -> int:
    """Side of the training crops in pixels, 0 for whole images. "auto": half of `image_size`, a multiple of `STRIDE`, ≥ 32."""
    return max(32, STRIDE * round(image_size / (2 * STRIDE))) if requested == "auto" else int(requested)


def batch_size(requested: int | str, crop: int, image_size: int) -> int:
    """Crops per batch. "auto": `FEW` where their side, `crop` px or `image_size` for 0, is above `LARGE`, else `MANY`."""
    automatic = FEW if (crop or image_size) > LARGE else MANY
    return automatic if requested == "auto" else int(requested)


def random_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(h, w, C) → (size, size, C), a random square of the image, enlarged by reflection if too small; all of it for size 0."""
    if size == 0:
        return image
    down, right = max(0, size - image.shape[0]), max(0, size - image.shape[1])
    if down or right:
        image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="symmetric")
    top, left = (int(rng.integers(0, side - size + 1)) for side in image.shape[:2])
    return image[top : top + size, left : left + size]


def turned_crop(image: np.ndarray, size: int, rotation: float, rng: np.random.Generator) -> np.ndarray:
    """(h, w, C) → (size, size, C), a random square whose sides are turned by a random angle of up to `rotation` degrees.

    It shows nothing made up: it lies inside the image, which is enlarged by reflection only if too small for the turned square.
    """
    angle = rng.uniform(-rotation, rotation)
    turn = np.radians(angle)
    side = int(np.ceil(size * (abs(np.cos(turn)) + abs(np.sin(turn)))))
    around = np.ascontiguousarray(random_crop(image, side, rng))
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1.0)
    matrix[:, 2] = matrix[:, 2] - (side - size) / 2
    turned = cv2.warpAffine(around, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return turned.reshape(size, size, -1)  # OpenCV drops a single channel's axis
