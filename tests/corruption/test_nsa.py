"""NSA's corruption: Poisson's equation holds inside a patch, and the label is the logistic function of the change."""

import numpy as np
import pytest

from anomaly_lab.corruption import nsa
from anomaly_lab.corruption.nsa import blended, label


def smooth_image(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] / 64
    wave = 0.5 + 0.2 * np.sin(2 * np.pi * (rng.uniform(1, 3) * x + rng.uniform(1, 3) * y))
    return np.repeat(wave[..., None], 3, 2).astype(np.float32)


def laplacian(X: np.ndarray) -> np.ndarray:
    grey = X[..., 0]
    return grey[1:-1, 2:] + grey[1:-1, :-2] + grey[2:, 1:-1] + grey[:-2, 1:-1] - 4 * grey[1:-1, 1:-1]


def test_a_patch_keeps_its_gradients_on_its_new_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poisson's equation: ΔY = Δ(patch) inside, Y = X at its border. A bright flat patch in a flat image is not seen at
    all; in a texture it takes the brightness of its surroundings, and has no structure of its own: ΔY = 0."""
    monkeypatch.setattr(nsa, "MIXED", 0.0)
    monkeypatch.setattr(nsa, "_taken", lambda other, rows, columns, rng: np.full((rows, columns, 3), 0.9, np.float32))
    flat = np.full((64, 64, 3), 0.4, np.float32)
    Y = blended(flat, [flat], np.random.default_rng(0))
    assert np.abs(Y - flat).max() < 3 / 255, "a flat patch takes the brightness of its surroundings"
    X = smooth_image(0)
    Y = blended(X, [X], np.random.default_rng(1))
    inside = np.abs(Y - X).max(2)[1:-1, 1:-1] > 4 / 255
    assert inside.any() and np.median(np.abs(laplacian(Y)[inside])) < 0.5 * np.median(np.abs(laplacian(X)[inside])) + 2 / 255


def test_patches_change_some_of_the_image_and_nothing_at_its_border() -> None:
    shares = []
    for seed in range(40):
        X = smooth_image(seed)
        before = X.copy()
        Y = blended(X, [smooth_image(100 + seed)], np.random.default_rng(seed))
        assert np.array_equal(X, before) and Y.dtype == np.float32 and 0 <= Y.min() <= Y.max() <= 1
        assert np.array_equal(Y[0], X[0]) and np.array_equal(Y[:, -1], X[:, -1])
        shares.append(float((np.abs(Y - X).max(2) > 2 / 255).mean()))
    assert 0.03 < np.mean(shares) < 0.4 and np.mean([s > 0 for s in shares]) > 0.75


def test_the_label_is_the_papers_logistic_function() -> None:
    """A change of 7 levels is ½; of 16 levels 1 / (1 + e⁻³)."""
    X = np.full((20, 20, 3), 0.2, np.float32)
    for levels, expected in ((7, 0.5), (16, 1 / (1 + np.exp(-3)))):
        Y = X.copy()
        Y[5:15, 5:15] += levels / 255
        found = label(X, Y)
        assert found[10, 10] == pytest.approx(expected, abs=1e-6) and found[2, 2] == 0
    Y = X.copy()
    Y[10, 10] = 1
    assert label(X, Y).max() == 0, "a lone pixel is no defect"


@pytest.mark.parametrize("size", [(8, 8), (16, 40)])
def test_small_images(size: tuple[int, int]) -> None:
    X = np.random.default_rng(0).random((*size, 3), np.float32)
    for seed in range(20):
        assert blended(X, [X], np.random.default_rng(seed)).shape == X.shape
