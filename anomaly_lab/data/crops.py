"""Training crops: how large they are, how many make a batch, and how one is cut out of an image."""

import cv2
import numpy as np

FEW, MANY = 4, 8  # crops per batch: with sides above `LARGE` pixels, and up to it
LARGE = 160


def crop_size(requested: int | str, image_size: int) -> int:
    """Side of the training crops in pixels: `requested`, where 0 means whole images.

    "auto" means half of the working size `image_size`, rounded to a multiple of the network's stride of 8, at least 32.
    """
    return max(32, 8 * round(image_size / 16)) if requested == "auto" else int(requested)


def batch_size(requested: int | str, crop: int, image_size: int) -> int:
    """Crops per batch: `requested`; "auto" means `FEW` crops with sides above `LARGE` pixels, otherwise `MANY`.

    `crop` is their side in pixels; where it is 0, whole images of `image_size` pixels count instead.
    """
    if requested != "auto":
        return int(requested)
    return FEW if (crop or image_size) > LARGE else MANY


def random_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(h, w, C) → (size, size, C), a random square of the image; the whole image where `size` is 0.

    An image that is smaller than the square is enlarged by reflection.
    """
    if size == 0:
        return image
    down, right = max(0, size - image.shape[0]), max(0, size - image.shape[1])
    if down or right:
        image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="symmetric")
    top = int(rng.integers(0, image.shape[0] - size + 1))
    left = int(rng.integers(0, image.shape[1] - size + 1))
    return image[top : top + size, left : left + size]


def turned_crop(image: np.ndarray, size: int, rotation: float, rng: np.random.Generator) -> np.ndarray:
    """(h, w, C) → (size, size, C), a random square whose sides are turned by a random angle of up to `rotation` degrees.

    The square lies inside the image, so that it shows nothing made up. Only an image that is too small for the turned square
    is enlarged by reflection.
    """
    angle = rng.uniform(-rotation, rotation)
    turn = np.radians(angle)
    side = int(np.ceil(size * (abs(np.cos(turn)) + abs(np.sin(turn)))))
    around = np.ascontiguousarray(random_crop(image, side, rng))
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1.0)
    matrix[:, 2] = matrix[:, 2] - (side - size) / 2
    turned = cv2.warpAffine(around, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return turned.reshape(size, size, -1)  # OpenCV drops a single channel's axis
