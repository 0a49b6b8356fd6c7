"""Connected components against SciPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from anomaly_lab.metrics.regions import components


@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_components_equal_scipys(mask):
    """They are the same except for their numbers."""
    label, area = components(mask)
    expected, count = ndimage.label(mask, structure=np.ones((3, 3)))
    pairs = set(zip(label.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(area) - (0 if (~mask).any() else 1)
    assert ((label == 0) == ~mask).all()
    assert area[0] == 0
    assert sorted(area[1:].tolist()) == sorted(int((expected == i).sum()) for i in range(1, count + 1))
    assert [(label == i).sum() for i in range(1, len(area))] == area[1:].tolist()


def test_components_touch_at_corners():
    assert components(np.eye(4, dtype=bool))[0].max() == 1
