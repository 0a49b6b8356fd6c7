"""What a threshold detects in a heatmap, and the lowest threshold that detects nothing: the heatmap's quiet level.

Section 4.2 of the paper (MVTec AD: CVPR 2019, 4.3) chooses the threshold on normal images only: "such that the area of the
largest connected component in the computed anomaly heatmaps is slightly below the defined minimum area". So no component of a
held-out normal image may reach `min_area` pixels, and the threshold is the lowest one with this property. Components are
8-connected. A test image is predicted anomalous if a component of {heatmap > threshold} has at least `min_area` pixels: exactly
if its quiet level is above the threshold. Every rule in `rules` selects a threshold from the quiet levels of normal images.
"""

from bisect import bisect_left
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.metrics.regions import components


def quiet_level(heatmap: NDArray[np.floating], min_area: int) -> float:
    """The lowest value of the heatmap (H, W) that detects nothing as a threshold; −∞ if it has fewer than `min_area` pixels.

    `detect(heatmap, t, min_area)` marks a pixel exactly if t is below it. ValueError as for `detect`, and for `min_area` < 1.
    """
    return quiet_levels(heatmap, [min_area])[0]


def quiet_levels(heatmap: NDArray[np.floating], min_areas: Sequence[int]) -> list[float]:
    """`quiet_level` for each of several areas, by one search.

    The levels are among the highest values. The search first lowers a threshold until it is too low for all areas. Above it,
    components only shrink and split: each large one is searched in its own small window, and the highest level counts.
    """
    if min(min_areas) < 1:
        raise ValueError(f"min_area is {min(min_areas)}: it must be at least 1 pixel")
    _require_finite(heatmap)
    possible = {area for area in min_areas if area <= heatmap.size}
    if not possible:
        return [-np.inf] * len(min_areas)
    levels = {area: float(heatmap.min()) if area in possible else -np.inf for area in min_areas}  # at least these
    values, count = heatmap.ravel(), max(possible)
    while True:
        count = min(values.size, 4 * count)
        low = np.partition(values, values.size - count)[values.size - count]  # the `count`-th highest value
        _, label, stats, _ = cv2.connectedComponentsWithStats((heatmap > low).view(np.uint8), connectivity=8)
        area = stats[1:, cv2.CC_STAT_AREA]
        if area.max(initial=0) >= max(possible) or count == values.size:
            break
    for i in np.argsort(-area)[: int((area >= min(possible)).sum())] + 1:  # the largest first
        left, top, width, height = stats[i, :4]
        window = slice(top, top + height), slice(left, left + width)
        alone = np.where(label[window] == i, heatmap[window], low)
        for a in possible:
            level = max(levels[a], float(low))
            if largest_component_area(alone, level) >= a:
                levels[a] = _level_above(alone, level, a)
    return [levels[area] for area in min_areas]


def _level_above(heatmap: NDArray[np.floating], low: float, min_area: int) -> float:
    """The quiet level of a heatmap, by bisection of its values. {heatmap > low} must have a component of `min_area` pixels."""
    candidates = np.unique(heatmap[heatmap > low])
    quiet = bisect_left(candidates, True, key=lambda level: largest_component_area(heatmap, float(level)) < min_area)
    return float(candidates[quiet])


def detect(heatmap: NDArray[np.floating], threshold: float, min_area: int) -> NDArray[np.bool_]:
    """The mask (H, W) of {heatmap > threshold}, without components below `min_area` pixels. An anomalous image keeps a pixel.

    ValueError for an empty heatmap, or NaN or infinite values.
    """
    _require_finite(heatmap)
    mask = heatmap > np.float64(threshold)  # NumPy would round a Python float to the heatmap's type
    label, area = components(mask)
    return mask & (area[label] >= min_area)


def largest_component_area(heatmap: NDArray[np.floating], threshold: float) -> int:
    """The number of pixels of the largest component of {heatmap > threshold}, 0 without one; the heatmap is (H, W)."""
    return int(components(heatmap > np.float64(threshold))[1].max())


def _require_finite(heatmap: NDArray[np.floating]) -> None:
    bad = heatmap.size - int(np.isfinite(heatmap).sum())
    if bad or not heatmap.size:
        what = f"{bad} of the heatmap's {heatmap.size} values are NaN or infinite" if heatmap.size else "the heatmap is empty"
        raise ValueError(f"{what}: a detection needs finite values")
