"""What a threshold detects in a heatmap, and the lowest threshold that detects nothing: the heatmap's quiet level.

Section 4.2 of the paper (MVTec AD: CVPR 2019, 4.3) chooses the threshold on normal images only:

"A threshold for the anomaly score such that the area of the largest connected component in the computed
anomaly heatmaps is slightly below the defined minimum area".

So no component of a held-out normal image may reach `min_area` pixels, and the threshold is the lowest one with this property.
A test image is anomalous if a component of {heatmap > threshold} has at least `min_area` pixels. Components are 8-connected.

An image is predicted anomalous exactly if its quiet level is above the threshold. Every rule in `rules` selects a threshold
from the quiet levels of normal images.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_lab.metrics.regions import components


def quiet_level(heatmap: NDArray[np.floating], min_area: int) -> float:
    """The lowest value of the heatmap (H, W) that detects nothing as a threshold; −∞ if it has fewer than `min_area` pixels.

    `detect(heatmap, t, min_area)` marks a pixel if and only if t is below the quiet level. ValueError for an empty heatmap, NaN
    or infinite values, or a `min_area` below 1.
    """
    return quiet_levels(heatmap, [min_area])[0]


def quiet_levels(heatmap: NDArray[np.floating], min_areas: Sequence[int]) -> list[float]:
    """`quiet_level` for each of several areas, by one search.

    The levels are among the highest values. The search first lowers a threshold until it is too low for all areas. Above this
    threshold, components only shrink and split. So each component that is large enough is searched separately, in its own small
    window, and the highest of their levels is the heatmap's level.
    """
    if min(min_areas) < 1:
        raise ValueError(f"min_area is {min(min_areas)}: it must be at least 1 pixel")
    _require_finite(heatmap)
    levels = {area: -np.inf for area in min_areas}
    possible = sorted(area for area in levels if area <= heatmap.size)
    if not possible:
        return [levels[area] for area in min_areas]
    values, count = heatmap.ravel(), possible[-1]
    while True:
        count = min(values.size, 4 * count)
        low = np.partition(values, values.size - count)[values.size - count]  # the `count`-th highest value
        _, label, stats, _ = cv2.connectedComponentsWithStats((heatmap > low).view(np.uint8), connectivity=8)
        area = stats[1:, cv2.CC_STAT_AREA]
        if area.max(initial=0) >= possible[-1]:
            break
        if count == values.size:  # `low` is the lowest value; below it, the whole heatmap is one component
            levels |= {a: float(low) for a in possible if area.max(initial=0) < a}
            break
    for i in np.argsort(-area)[: int((area >= possible[0]).sum())] + 1:  # the largest first
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
    first, last = 0, len(candidates) - 1
    while first < last:
        middle = (first + last) // 2
        enough = largest_component_area(heatmap, float(candidates[middle])) >= min_area
        first, last = (middle + 1, last) if enough else (first, middle)
    return float(candidates[last])


def detect(heatmap: NDArray[np.floating], threshold: float, min_area: int) -> NDArray[np.bool_]:
    """The mask (H, W) of {heatmap > threshold}, without components of fewer than `min_area` pixels.

    The image is predicted anomalous if any pixel remains. ValueError for an empty heatmap, or NaN or infinite values.
    """
    _require_finite(heatmap)
    mask = _exceeds(heatmap, threshold)
    label, area = components(mask)
    return mask & (area[label] >= min_area)


def largest_component_area(heatmap: NDArray[np.floating], threshold: float) -> int:
    """The number of pixels of the largest component of {heatmap > threshold}; 0 without a component. The heatmap is (H, W)."""
    return int(components(_exceeds(heatmap, threshold))[1].max())


def _exceeds(heatmap: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """heatmap > threshold, compared in float64, because NumPy would round a Python float to the heatmap's type."""
    return heatmap > np.float64(threshold)


def _require_finite(heatmap: NDArray[np.floating]) -> None:
    bad = heatmap.size - int(np.isfinite(heatmap).sum())
    if bad or not heatmap.size:
        what = f"{bad} of the heatmap's {heatmap.size} values are NaN or infinite" if heatmap.size else "the heatmap is empty"
        raise ValueError(f"{what}: a detection needs finite values")
