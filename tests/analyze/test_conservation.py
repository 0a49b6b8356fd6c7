"""Distances, rings, radii and leaks against references."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from anomaly_lab.analyze.conservation import by_distance, distance_to, leak, radius


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5])
def test_distances_are_those_of_scipy(share: float) -> None:
    mask = np.random.default_rng(3).random((37, 52)) < share
    mask[5, 9] = True
    found = distance_to(torch.from_numpy(mask.astype(np.float32)))
    np.testing.assert_allclose(found.numpy(), distance_transform_edt(~mask), atol=1e-9)


def test_an_empty_mask_is_infinitely_far() -> None:
    assert distance_to(torch.zeros(3, 5)).isinf().all() and (distance_to(torch.ones(3, 5)) == 0).all()


def test_only_what_the_corruption_changes_outside_is_a_leak() -> None:
    X, M = torch.zeros(1, 1, 1, 4), torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])
    X_hat, Y = 2 * M, torch.full((1, 1, 1, 4), 0.7)  # F changes normal pixels, too
    assert float(leak(Y + M, Y, X_hat, X, M)) == 0
    assert float(leak(Y + torch.tensor([0.0, 0.0, 3.0, 4.0]), Y, X_hat, X, M)) == pytest.approx(5 / 2)


def test_rings_have_the_root_mean_square_of_their_pixels() -> None:
    distance = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    E = torch.tensor([[[9.0, 3.0, 4.0, 2.0]], [[9.0, 4.0, 3.0, 0.0]]])
    found = by_distance(E, distance, [1.0, 3.0, 4.0, 8.0])
    assert found[:2].tolist() == pytest.approx([12.5**0.5, 2**0.5]) and found[2].isnan()


def test_the_radius_is_where_the_share_of_the_energy_is_reached() -> None:
    distance = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    E = torch.tensor([[[3.0, 1.0, 0.0, 0.0]]])  # energies 9, 1
    assert radius(E, distance, 0.9) == 0 and radius(E, distance, 0.91) == 1
    assert np.isnan(radius(torch.zeros(1, 1, 4), distance, 0.9))


def test_the_radius_of_a_convolution_is_its_reach() -> None:
    kernel = torch.ones(1, 1, 1, 7)
    point = torch.zeros(1, 1, 1, 31)
    point[..., 15] = 1
    response = torch.nn.functional.conv2d(point, kernel, padding=(0, 3))[0]
    assert radius(response, distance_to(point[0, 0]), 1.0) == 3
