"""CutPaste's corruptions: sizes, where the content comes from, and that the rest stays."""

from collections.abc import Callable

import numpy as np
import pytest

from anomaly_lab.corruption import cutpaste
from anomaly_lab.corruption.cutpaste import cut_paste, scar

Corrupt = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def unique_image(size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Every pixel has its own value."""
    values = np.random.default_rng(0).permutation(size[0] * size[1]).reshape(size) / (size[0] * size[1])
    return np.repeat(values[..., None], 3, 2).astype(np.float32)


def test_a_patch_has_the_papers_sizes_and_comes_from_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutpaste, "JITTER", 0.0)
    X, shares, ratios = unique_image(), [], []
    for seed in range(200):
        Y = cut_paste(X, np.random.default_rng(seed))
        rows, columns = np.nonzero((Y != X).any(2))
        if not rows.size:
            continue  # pasted where it was cut
        box = Y[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
        assert np.isin(box.round(5), X.round(5)).all() and len(np.unique(box)) == box.size
        shares.append(box.size / X[..., 0].size)
        ratios.append(box.shape[0] / box.shape[1])
    assert 0.01 < min(shares) < 0.03 and 0.13 < max(shares) < 0.17
    assert 1 / 3.8 < min(ratios) < 0.4 and 2.5 < max(ratios) < 3.8


def test_a_scar_is_long_and_thin_and_small() -> None:
    X = unique_image()
    changed = [int((scar(X, np.random.default_rng(seed)) != X).any(2).sum()) for seed in range(200)]
    assert max(changed) <= 16 * 25 and np.mean(changed) < 0.06 * 64 * 64 and np.median(changed) > 20


@pytest.mark.parametrize("corrupt", [cut_paste, scar])
@pytest.mark.parametrize("size", [(64, 64), (8, 20), (3, 3)])
def test_the_original_stays_and_values_are_in_range(corrupt: Corrupt, size: tuple[int, int]) -> None:
    X = unique_image(size)
    before = X.copy()
    Y = corrupt(X, np.random.default_rng(1))
    assert np.array_equal(X, before) and Y.shape == X.shape and Y.dtype == np.float32
    assert Y.min() >= 0 and Y.max() <= 1


def test_jitter_changes_brightness_and_contrast_by_a_tenth_at_most() -> None:
    patch = unique_image((8, 8)) * 0.5 + 0.2
    found = [cutpaste._jittered(patch, np.random.default_rng(seed)) for seed in range(300)]
    means = [f.mean() / patch.mean() for f in found]
    spreads = [f.std() / f.mean() / (patch.std() / patch.mean()) for f in found]
    for values in (means, spreads):
        assert 0.9 - 1e-3 <= min(values) < 0.92 and 1.08 < max(values) <= 1.1 + 1e-3
