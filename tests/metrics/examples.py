"""Random scores and heatmaps with many ties, and AUPRO by brute force."""

import itertools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

SCALES = st.sampled_from([(1.0, 0.0), (1e6, -3e6), (1e-30, 0.0), (-0.25, 7.0), (1e30, 0.0)])


def affine(scores, scale):
    """Scores with another range and sign, as float32; small whole numbers stay distinct."""
    return (scores * scale[0] + scale[1]).astype(np.float32)


@st.composite
def two_classes(draw):
    """(negative, positive) with few distinct values, so with many ties within and between the classes."""
    scale = draw(SCALES)
    values = arrays(np.int64, st.integers(1, 30), elements=st.integers(-6, 6))
    return [affine(draw(values), scale) for _ in range(2)]


@st.composite
def localised(draw):
    """Up to 4 pairs (heatmap, ground truth) of different sizes, with at least one normal and one defective pixel."""
    scale, images = draw(SCALES), []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.tuples(st.integers(1, 7), st.integers(2, 6)))
        heatmap = draw(arrays(np.int64, shape, elements=st.integers(0, 8)))
        images.append((affine(heatmap, scale), draw(arrays(bool, shape))))
    images[0][1].flat[:2] = True, False
    return images


def all_pixels(images):
    """(negative, positive, area of each positive's region), by SciPy."""
    negative, positive, area = [], [], []
    for heatmap, truth in images:
        label, n = ndimage.label(truth, structure=np.ones((3, 3)))
        negative.append(heatmap[label == 0])
        for i in range(1, n + 1):
            positive.append(heatmap[label == i])
            area.append(np.full((label == i).sum(), (label == i).sum()))
    return [np.concatenate(x) if x else np.empty(0) for x in (negative, positive, area)]


def brute_force_aupro(images, limit):
    """AUPRO with each distinct score as a threshold, each region separately, and the integral segment by segment."""
    normal = [s for heatmap, truth in images for s in heatmap[~truth]]
    defects = []
    for heatmap, truth in images:
        label, n = ndimage.label(truth, structure=np.ones((3, 3)))
        defects += [heatmap[label == i] for i in range(1, n + 1)]
    curve = [(0.0, 0.0)]
    for t in sorted({s for heatmap, _ in images for s in heatmap.ravel()}, reverse=True):
        false = sum(s >= t for s in normal) / len(normal)
        curve.append((false, sum((d >= t).mean() for d in defects) / len(defects)))
    total = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x0 < limit and x1 > x0:
            x = min(x1, limit)
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            total += (x - x0) * (y0 + y) / 2
    return total / limit
