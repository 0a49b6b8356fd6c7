"""Counts of float32 values in bounded memory: a histogram on their bit patterns, as fine as it can be afforded.

Read as integers, float32 numbers stand in the same order (negative ones after a flip of their bits). A histogram of these
integers needs no range to be chosen beforehand: without its lowest `shift` bits, a bin is at most 2^(shift - 23) of its value
wide, whatever the scale. `shift` starts at 0, where each value has a bin of its own and nothing is lost, and grows while more
than `bins` of them are occupied. It never exceeds 32 - log2(bins), and follows from the values alone, whatever order or
processes they come in.
"""

import numpy as np
from numpy.typing import NDArray

BINS = 2**20  # most occupied ones: 16 images of 256 × 256 are exact, and of a million pixels each value to 17 bits or more
DENSE = 2**22  # bins of a plain table of counts: 32 MiB stay within reach of a processor cache

Columns = tuple[NDArray, ...]


def keys(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Integers in the order of the values (n,), equal where these are. ValueError for NaN, which has no place in the order."""
    nan = int(np.isnan(values).sum())
    if nan:
        raise ValueError(f"{nan} of {values.size} scores are NaN")
    bits = (values + np.float32(0)).view(np.int32)  # adding 0 makes a 0 of −0
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


def coarser(keys: NDArray[np.int32], shift: int) -> NDArray[np.int32]:
    """Each key without its lowest `shift` bits: the lowest key of its bin."""
    return keys >> shift << shift


def counted(keys: NDArray[np.int32], shift: int = 0, bins: int = BINS) -> tuple[int, Columns]:
    """Keys in any order → (shift, (distinct keys, rising, and how often each occurs)) at the lowest shift, from the one given
    on, that leaves at most `bins` of them."""
    low, high = (int(keys.min()), int(keys.max())) if keys.size else (0, 0)
    dense = max(shift, ((high - low) // DENSE).bit_length())
    if keys.size > bins:  # counting takes a fifth of sorting's time, where it is fine enough
        count = np.bincount((keys >> dense) - (low >> dense))
        occupied = np.flatnonzero(count)
        if dense == shift or occupied.size > bins:
            distinct = ((occupied + (low >> dense)) << dense).astype(np.int32)
            return fitted(dense, bins, distinct, count[occupied])
    keys = np.sort(coarser(keys, shift))
    first = _first_of_each(keys)
    return fitted(shift, bins, keys[first], np.diff(first, append=keys.size))


def fitted(shift: int, bins: int, keys: NDArray[np.int32], *columns: NDArray) -> tuple[int, Columns]:
    """(shift, table): `merged` at the lowest shift, from the one given on, that leaves at most `bins` bins."""
    table = merged(coarser(keys, shift), *columns)
    differing = table[0][1:] ^ table[0][:-1]  # neighbours fall into one bin where no bit above the shift differs
    lowest = shift
    while np.count_nonzero(differing >> shift) >= bins:
        shift += 1
    return shift, table if shift == lowest else merged(coarser(table[0], shift), *table[1:])


def merged(keys: NDArray[np.int32], *columns: NDArray) -> Columns:
    """The distinct keys, rising, with the sums of each column over equal keys."""
    if not (keys[:-1] <= keys[1:]).all():
        order = np.argsort(keys, kind="stable")  # merges the few rising runs that these keys mostly are, rather than sorts
        keys, columns = keys[order], tuple(column[order] for column in columns)
    first = _first_of_each(keys)
    if first.size == keys.size:
        return keys, *columns
    return keys[first], *(np.add.reduceat(column, first) for column in columns)


def _first_of_each(rising: NDArray) -> NDArray[np.int64]:
    """The index of the first of each group of equal values."""
    return np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]])) if rising.size else np.empty(0, np.int64)
