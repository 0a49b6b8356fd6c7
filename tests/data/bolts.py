"""Generated pictures of a long part: a dark bolt with a head, on a brighter background."""

import cv2
import numpy as np

OUTLINE = np.array(
    [(-40, -12), (-28, -12), (-28, -5), (36, -5), (40, 0), (36, 5), (-28, 5), (-28, 12), (-40, 12)], float
)  # pixels


def bolt(angle: float, middle: tuple[float, float] = (64, 64), size: tuple[int, int] = (128, 128), seed: int = 0) -> np.ndarray:
    """(h, w, 3) uint8. The bolt is 80 × 24 pixels; its tip points `angle` degrees clockwise from the right."""
    rng = np.random.default_rng(seed)
    image = 200 + rng.normal(0, 3, (*size, 1)) + np.zeros(3)
    turn = np.radians(angle)
    points = OUTLINE @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + middle
    cv2.fillPoly(image, [np.round(points * 16).astype(np.int32)], (60, 70, 80), shift=4)
    return image.clip(0, 255).astype(np.uint8)
