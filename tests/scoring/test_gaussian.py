"""The Gaussian density, against scipy and values worked out by hand."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from anomaly_lab.scoring.gaussian import Gaussian


def test_distances_are_scipys_mahalanobis_distances() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)) + [1, 2, 3]
    maps = torch.from_numpy(vectors.T.reshape(1, 3, 20, 20)).float()
    detector = Gaussian(10_000, 1e-9, 0)
    detector.fit([maps], 1)
    distance, weights = detector(maps[..., :2, :5])
    inverse = np.linalg.inv(np.cov(vectors.T, bias=True))
    expected = [mahalanobis(maps[0, :, i // 5, i % 5].double(), vectors.mean(0), inverse) for i in range(10)]
    assert distance.flatten().tolist() == pytest.approx(expected, rel=1e-3)
    assert weights.tolist() == [1]


def test_by_hand() -> None:
    """Values ±1 and ±2 around 5: variances 1 and 4. A ridge of 1 adds their mean, 2.5, to both."""
    detector = Gaussian(100, 1.0, 0)
    corners = torch.tensor([[4.0, 4, 6, 6], [3, 7, 3, 7]]).view(1, 2, 2, 2)
    detector.fit([corners], 1)
    distance, _ = detector(torch.tensor([[[[6.0]], [[5.0]]], [[[5.0]], [[7.0]]]]))
    assert distance.flatten().tolist() == pytest.approx([1 / 3.5**0.5, 2 / 6.5**0.5])


def test_it_is_fitted_in_inference_mode_and_stored() -> None:
    detector, other = Gaussian(100, 0.1, 0), Gaussian(100, 0.1, 0)
    with torch.inference_mode():
        detector.fit([torch.rand(1, 2, 4, 4)], 1)
    other.load_state_dict(detector.state_dict())
    X = torch.rand(1, 2, 3, 3)
    assert torch.equal(other(X)[0], detector(X)[0]) and not torch.equal(X.norm(dim=1), detector(X)[0])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="size is 1"):
        Gaussian(1, 0.1, 0)
    with pytest.raises(ValueError, match="no normal image"):
        Gaussian(10, 0.1, 0).fit([], 0)
