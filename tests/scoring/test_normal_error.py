"""The normal error: its fit against NumPy, and errors that it finds unusual."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor

from anomaly_lab.scoring.bands import BANDS, band_energies, observed
from anomaly_lab.scoring.normal_error import FLOOR, RIDGE, VARIANCE, NormalError


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def normal(seed: int, size: int = 64) -> tuple[Tensor, Tensor]:
    """An image with a faint texture on the left and a strong one on the right. The errors of F(X) are proportional to it."""
    strength = torch.where(torch.arange(size) < size // 2, 0.01, 0.1)
    output = (0.5 + strength * noise(seed, 3, size, size)).clamp(0, 1)
    return output + 0.2 * strength * noise(seed + 1000, 3, size, size), output


@pytest.fixture(scope="module")
def model() -> NormalError:
    fitted = NormalError()
    fitted.fit([observed(*normal(i)) for i in range(6)])
    return fitted


def test_the_fit_is_a_ridge_regression(model: NormalError) -> None:
    """Against NumPy: explicit design matrix, the ridge as further rows, covariance of the residuals."""
    pairs = [normal(i) for i in range(6)]

    def flat(energies: list[np.ndarray]) -> np.ndarray:
        scale = np.mean([e.mean((1, 2)) for e in energies], 0)
        return np.concatenate([np.log(e.reshape(BANDS, -1).T / scale + FLOOR) for e in energies])

    errors = [band_energies((o - X)[None])[0].double().numpy() for X, o in pairs]
    outputs = [band_energies(o[None])[0].double().numpy() for _, o in pairs]
    brightness = [o.double().numpy().mean(0).reshape(16, 4, 16, 4).mean((1, 3)).ravel() for _, o in pairs]
    look = np.column_stack([4 * (np.concatenate(brightness) - 0.5), flat(outputs)])
    products = [look[:, i] * look[:, j] for i in range(look.shape[1]) for j in range(i, look.shape[1])]
    x, y = np.column_stack([np.ones(len(look)), look, *products]), flat(errors)
    n, k = x.shape
    ridge = np.sqrt(RIDGE * n) * np.eye(k)
    W = np.linalg.lstsq(np.vstack([x, ridge]), np.vstack([y, np.zeros((k, BANDS))]), rcond=None)[0]
    np.testing.assert_allclose(model.weights.numpy(), W, atol=2e-3)
    z = y - x @ W
    precision = np.linalg.inv(z.T @ z / n + VARIANCE * np.eye(BANDS))
    np.testing.assert_allclose(model.precision.numpy(), precision, rtol=1e-3, atol=1e-3)
    squared = np.einsum("nk,kl,nl->n", z, precision, z) / BANDS
    assert 0.8 < squared.mean() <= 1.0, "1, except for the constant that is added to the variances"
    whole = torch.stack([model(X[None], o[None], 0.0)[0] for X, o in pairs])
    assert float(whole.mean()) == pytest.approx(np.sqrt(squared).mean(), rel=0.02), "enlargement keeps the mean"


def test_a_large_error_is_normal_where_normal_images_have_it(model: NormalError) -> None:
    """The right half has a hundred times the error energy of the left half, and a squared error shows only that."""
    X, output = normal(50)
    distance = model(X[None], output[None], 4.0)[0]
    left, right = distance[:, :32].mean(), distance[:, 32:].mean()
    assert 0.5 < float(left / right) < 2
    squared = (output - X).square().mean(0)
    assert float(squared[:, 32:].mean() / squared[:, :32].mean()) > 50


@pytest.mark.parametrize("factor", [0.1, 4.0])
def test_more_and_less_error_than_normal_stand_out(model: NormalError, factor: float) -> None:
    X, output = normal(60)
    odd = X.clone()
    odd[:, 16:32, 8:24] = output[:, 16:32, 8:24] + factor * (X - output)[:, 16:32, 8:24]
    distance = model(odd[None], output[None], 4.0)[0]
    assert float(distance[18:30, 10:22].mean()) > 1.7 * float(distance[:, 40:].mean())
    assert 14 <= int(distance.argmax()) // 64 <= 34


@settings(max_examples=30)
@given(height=st.integers(1, 70), width=st.integers(1, 70), sigma=st.sampled_from([0.0, 2.0, 6.0]))
def test_any_size_gives_a_finite_map_of_that_size(model: NormalError, height: int, width: int, sigma: float) -> None:
    X, output = noise(1, 2, 3, height, width), noise(2, 2, 3, height, width)
    distance = model(X, output, sigma)
    assert distance.shape == (2, height, width)
    assert bool((distance >= 0).all() and distance.isfinite().all())
    torch.testing.assert_close(distance[:1], model(X[:1], output[:1], sigma), rtol=1e-4, atol=1e-4)


def test_a_perfect_reconstruction_gives_finite_distances() -> None:
    X = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    perfect = NormalError()
    perfect.fit([observed(X, X)])
    assert bool(perfect(X[None], X[None], 2.0).isfinite().all())


def test_without_images_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="no normal image"):
        NormalError().fit([])


def test_the_fit_is_part_of_the_state(model: NormalError) -> None:
    other = NormalError()
    other.load_state_dict(model.state_dict())
    X, output = normal(70)
    assert torch.equal(other(X[None], output[None], 4.0), model(X[None], output[None], 4.0))
    assert bool(NormalError()(X[None], output[None], 4.0).isnan().all()), "without a fit there is no distance"


def test_outside_the_image_the_distance_is_normal(model: NormalError) -> None:
    """Against SciPy with the constant 1 outside, at the grid points. 52 × 40 is no multiple of 16."""
    X, output = (x[:, :52, :40] for x in normal(51))
    X = X.clone()
    X[:, :8, :8] = 0.9  # unusual in a corner
    raw = model(X[None], output[None], 0.0)[0].numpy()
    found = model(X[None], output[None], 8.0)[0].numpy()
    points = np.s_[: 52 // 4 * 4, : 40 // 4 * 4]
    grid = cv2.resize(raw[points], (10, 13), interpolation=cv2.INTER_AREA)  # about the values at grid points
    expected = gaussian_filter(grid, 2.0, mode="constant", cval=1.0, truncate=4.0)
    shrunk = cv2.resize(found[points], (10, 13), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(expected.ravel(), shrunk.ravel())[0, 1] > 0.99
    assert shrunk[0, 0] == pytest.approx(expected[0, 0], rel=0.15)
    reflecting = gaussian_filter(grid, 2.0, mode="reflect", truncate=4.0)
    assert shrunk[0, 0] < 0.7 * reflecting[0, 0], "with reflection, the corner would count four times"
