"""Connected components of binary masks, 8-connected."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def components(mask: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The 8-connected components of a mask (H, W): (label, area).

    `label` (H, W) is 0 outside and 1 … K inside; `area` (K + 1,) is each component's number of pixels, and 0
    for the outside, so that `area[label]` is the size of the component that a pixel lies in.
    """
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return label, area


def regions(truth: NDArray[np.bool_]) -> NDArray[Any]:
    """The 8-connected regions of a mask (H, W): labels (H, W), 0 outside and 1 … K inside."""
    return cv2.connectedComponents(np.asarray(truth, bool).astype(np.uint8), connectivity=8)[1]
