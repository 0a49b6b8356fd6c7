"""The dictionary: PCA against scikit-learn, distances by hand."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from anomaly_lab.scoring.dictionary import Dictionary, principal


def test_pca_keeps_what_scikit_learns_keeps() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 6)) * [5, 3, 2, 1, 0.5, 0.1] @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    reference = PCA(0.95).fit(vectors)
    mean, directions = principal(torch.from_numpy(vectors).float(), 0.95)
    assert directions.shape[1] == reference.n_components_
    assert np.allclose(np.abs(directions.numpy().T @ reference.components_.T), np.eye(directions.shape[1]), atol=1e-3)
    assert np.allclose(mean.numpy(), reference.mean_, atol=1e-5)
    assert principal(torch.from_numpy(vectors).float(), 1.0)[1].shape == (6, 6)


def test_the_distance_is_the_mean_to_the_nearest_words() -> None:
    """Three words, (1, 0), (0, 1) and (−1, 0): (0, −2), at unit length, is √2, 2 and √2 away from them."""
    maps = torch.tensor([[1.0, 0, -1], [0, 1, 0]]).view(1, 2, 1, 3)
    probe = torch.tensor([0.0, -2.0]).view(1, 2, 1, 1)
    for neighbours, expected in ((1, 2**0.5), (2, 2**0.5), (3, (2 * 2**0.5 + 2) / 3)):
        detector = Dictionary(3, 1.0, neighbours, 100, 0)
        detector.fit([3 * maps], 1)  # the length does not count
        assert float(detector(probe)[0]) == pytest.approx(expected, rel=1e-4)
    detector.neighbours = 1
    assert float(detector(maps)[0].max()) < 1e-3


def test_it_is_stored() -> None:
    detector, other = Dictionary(3, 0.9, 1, 100, 0), Dictionary(3, 0.9, 1, 100, 0)
    with torch.inference_mode():
        detector.fit([torch.rand(1, 5, 4, 4)], 1)
    other.load_state_dict(detector.state_dict())
    X = torch.rand(1, 5, 3, 3)
    assert torch.equal(other(X)[0], detector(X)[0]) and detector(X)[0].shape == (1, 3, 3)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="words, neighbours and variance are 0"):
        Dictionary(0, 0.9, 1, 100, 0)
