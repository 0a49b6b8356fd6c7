"""The histogram on bit patterns against the order and counts of NumPy and Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.metrics import histogram

FLOATS = arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32, allow_nan=False))
KEYS = st.one_of(
    arrays(np.int32, st.integers(0, 80), elements=st.integers(-(2**31), 2**31 - 1)),
    arrays(np.int32, st.integers(0, 80), elements=st.integers(-20, 20)),
)


@given(FLOATS)
def test_keys_have_the_order_of_the_values(values):
    keys = histogram.keys(values).astype(np.int64)
    assert (np.sign(keys[:, None] - keys) == np.sign(np.subtract.outer(*[np.unique(values, return_inverse=True)[1]] * 2))).all()


def test_both_zeros_have_the_same_key_and_infinities_have_the_extreme_keys():
    keys = histogram.keys(np.float32([-np.inf, -3e38, -1e-45, -0.0, 0.0, 1e-45, 3e38, np.inf]))
    assert (np.diff(keys.astype(np.int64)) > 0).tolist() == [True, True, True, False, True, True, True]


def test_nan_is_refused_and_counted():
    with pytest.raises(ValueError, match="2 of 3 scores are NaN"):
        histogram.keys(np.float32([np.nan, 1, np.nan]))


def lowest_shift(keys, start, bins):
    """By trying all shifts, with Python's integers."""
    return next(s for s in range(start, 40) if len({int(k) >> s for k in keys}) <= bins)


@given(KEYS, st.integers(0, 20), st.integers(2, 90), st.sampled_from([4, 64, histogram.DENSE]))
def test_counts_are_exact_at_the_lowest_shift_that_fits(keys, start, bins, dense):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histogram, "DENSE", max(dense, bins))
        shift, (distinct, count) = histogram.counted(keys, start, bins)
    assert shift == lowest_shift(keys.tolist(), start, bins)
    expected = {}
    for key in keys.tolist():
        expected[key >> shift << shift] = expected.get(key >> shift << shift, 0) + 1
    assert dict(zip(distinct.tolist(), count.tolist(), strict=True)) == expected
    assert distinct.tolist() == sorted(expected)
    assert distinct.dtype == np.int32


@given(KEYS, st.integers(1, 40), st.integers(0, 80))
def test_merging_two_parts_gives_the_table_of_the_whole(keys, bins, cut):
    """Each part is counted at its own shift."""
    whole_shift, whole = histogram.counted(keys, 0, max(2, bins))
    parts = [histogram.counted(part, 0, max(2, bins)) for part in (keys[:cut], keys[cut:])]
    columns = [np.concatenate(pair) for pair in zip(parts[0][1], parts[1][1], strict=True)]
    shift, table = histogram.fitted(max(parts[0][0], parts[1][0]), max(2, bins), *columns)
    assert shift == whole_shift
    for one, other in zip(table, whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("value", [1e-30, 0.004, 0.9999, 1.0, 3e20])
def test_a_bin_is_narrow_beside_its_value(value):
    around = np.float32(value) * np.linspace(0.7, 1.4, 5000, dtype=np.float32)
    bins = histogram.coarser(histogram.keys(around), 8)
    for key in np.unique(bins)[:50]:
        inside = around[bins == key]
        assert np.ptp(inside) <= 2.0 ** (8 - 23) * inside.min()
