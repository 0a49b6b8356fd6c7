"""Connected components of binary masks."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def components(mask: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The 8-connected components of a mask (H, W): (label, area).

    `label` (H, W) is 0 outside and 1 … K inside. `area` (K + 1,) is each component's number of pixels, and 0 for the outside:
    so `area[label]` is the size of each pixel's component.
    """
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return label, area
