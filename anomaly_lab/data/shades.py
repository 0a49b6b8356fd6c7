"""What the values of a mask mean: numbers of defects, or shades of soft edges."""

import cv2
import numpy as np
from numpy.typing import NDArray

LABELS = 16  # a mask with values up to this numbers its defects; none of them is a shade
SHADES = 8  # of so few values, their places don't tell what they mean
# Shares of the pixels with a middle value. Of soft edges (2,028 variants of 105 masks of photographs, blurred, resized or saved
# as JPEG before), at least half slope or fewer than a tenth are flat; of numbered defects, nearly all are flat if these lie
# apart, and three quarters if each touches the next.
MANY, FEW = 0.5, 0.1
NUMBERED, SOFT, OPEN = "numbered", "soft", "open"


def meaning(values: NDArray[np.uint8 | np.uint16]) -> str:
    """What the values (H, W) of a mask mean, saved without loss: `NUMBERED` if all above 0 are defective, `SOFT` if those above
    half of the largest are, `OPEN` if that can't be told.

    A pixel slopes if it has both a lower and a higher neighbour. It is flat if its neighbours have its own value or 0.
    """
    top = int(values.max())
    if top <= LABELS or np.array_equal(values > top // 2, values > 0):
        return NUMBERED
    if np.unique(values).size <= SHADES:
        return OPEN
    around = np.ones((3, 3), np.uint8)
    higher = cv2.dilate(values, around) > values
    lower = cv2.erode(values, around) < values
    marked = np.where(values > 0, values, np.iinfo(values.dtype).max)  # so that 0 is no lower neighbour
    flat = ~higher & (cv2.erode(marked, around) == values)
    middle = (values > top // 8) & (values < top - top // 8)  # beside them, a lossy file has values that nobody drew
    count = max(1, int(np.count_nonzero(middle)))
    slopes, flats = np.count_nonzero(higher & lower & middle) / count, np.count_nonzero(flat & middle) / count
    if slopes >= MANY or flats <= FEW:
        return SOFT
    return NUMBERED if flats >= MANY and slopes <= FEW else OPEN
