"""Counts of float32 values in bounded memory: a histogram on their bit patterns.

As integers, the bit patterns of float32 numbers have the order of the numbers (negative ones after a flip of their bits). So
the histogram needs no range in advance. Without its lowest `shift` bits, a bin is at most 2^(shift − 23) of its value wide, at
any scale. `shift` starts at 0, where each value has its own bin and nothing is lost, and grows while more than `bins` bins are
occupied. It never exceeds 32 − log2(bins). It depends on the values only, not on their order or the number of processes.
"""

import numpy as np
from numpy.typing import NDArray

BINS = 2**20  # most occupied bins: 16 images of 256 × 256 are exact, and of a million pixels each value to 17 bits or more
DENSE = 2**22  # bins of a plain table of counts: 32 MiB fit into a processor's cache

Columns = tuple[NDArray, ...]


def keys(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Integers with the order of the values (n,); equal values have equal keys. ValueError for NaN, which has no order."""
    if nan := int(np.isnan(values).sum()):
        raise ValueError(f"{nan} of {values.size} scores are NaN")
    bits = (values + np.float32(0)).view(np.int32)  # the addition turns −0 into 0
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


def coarser(keys: NDArray[np.int32], shift: int) -> NDArray[np.int32]:
    """The lowest key of each key's bin: the key without its lowest `shift` bits."""
    return keys >> shift << shift


def counted(keys: NDArray[np.int32], shift: int, bins: int) -> tuple[int, Columns]:
    """Keys in any order → (shift, (distinct keys in rising order, count of each)), with the shift of `fitted`."""
    low, high = (int(keys.min()), int(keys.max())) if keys.size else (0, 0)
    dense = max(shift, ((high - low) // DENSE).bit_length())
    if keys.size > bins:  # a table of counts takes a fifth of the time of sorting; use it if its bins are fine enough
        count = np.bincount((keys >> dense) - (low >> dense))
        occupied = np.flatnonzero(count)
        if dense == shift or occupied.size > bins:
            distinct = ((occupied + (low >> dense)) << dense).astype(np.int32)
            return fitted(dense, bins, distinct, count[occupied])
    keys = np.sort(coarser(keys, shift))
    first = _first_of_each(keys)
    return fitted(shift, bins, keys[first], np.diff(first, append=keys.size))


def fitted(shift: int, bins: int, keys: NDArray[np.int32], *columns: NDArray) -> tuple[int, Columns]:
    """(shift, table): `merged` at the lowest shift that is at least `shift` and leaves at most `bins` distinct keys."""
    keys, *sums = merged(coarser(keys, shift), *columns)
    differing = keys[1:] ^ keys[:-1]  # two neighbours share a bin if they differ only in bits below the shift
    while np.count_nonzero(differing >> shift) >= bins:
        shift += 1
    return shift, merged(coarser(keys, shift), *sums)


def merged(keys: NDArray[np.int32], *columns: NDArray) -> Columns:
    """The distinct keys in rising order, with the sum of each column over equal keys."""
    if not (keys[:-1] <= keys[1:]).all():
        order = np.argsort(keys, kind="stable")  # these keys are mostly a few rising runs, which a stable sort merges
        keys, columns = keys[order], tuple(column[order] for column in columns)
    first = _first_of_each(keys)
    if first.size == keys.size:
        return keys, *columns
    return keys[first], *(np.add.reduceat(column, first) for column in columns)


def _first_of_each(rising: NDArray) -> NDArray[np.int64]:
    """The index of the first element of each group of equal values."""
    return np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]])) if rising.size else np.empty(0, np.int64)
