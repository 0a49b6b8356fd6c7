"""Mixtures of Gaussians, against torch.distributions and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from anomaly_lab.scoring.mixture import Mixture, fitted, log_density


def clusters() -> torch.Tensor:
    rng = np.random.default_rng(0)
    parts = [rng.normal(c, s, (n, 2)) for c, s, n in (((0, 0), 0.5, 300), ((6, 0), 1, 200), ((0, 8), 0.3, 100))]
    return torch.from_numpy(np.concatenate(parts)).float()


def test_the_density_is_that_of_torch_distributions() -> None:
    torch.manual_seed(0)
    A = torch.randn(3, 4, 4)
    weights, means, covariances = torch.tensor([0.2, 0.5, 0.3]), torch.randn(3, 4), A @ A.mT + 0.1 * torch.eye(4)
    x = torch.randn(20, 4)
    reference = MixtureSameFamily(Categorical(weights), MultivariateNormal(means, covariances))
    torch.testing.assert_close(log_density(x, weights, means, covariances), reference.log_prob(x), rtol=1e-3, atol=1e-3)


def test_the_fit_is_that_of_scikit_learn() -> None:
    x = clusters()
    weights, means, covariances = fitted(x, 3, 1e-6, torch.Generator().manual_seed(0))
    reference = GaussianMixture(3, random_state=0, n_init=3).fit(x.numpy())
    mine, theirs = (order(w, m) for w, m in ((weights, means), (reference.weights_, reference.means_)))
    assert np.allclose(mine, theirs, atol=0.02)
    assert float(log_density(x, weights, means, covariances).mean()) == pytest.approx(reference.score(x.numpy()), abs=0.01)


def order(weights: object, means: object) -> np.ndarray:
    rows = np.column_stack([np.asarray(weights), np.asarray(means)])
    return rows[np.argsort(rows[:, 0])]


def test_each_level_has_its_own_mixture_and_counts_equally() -> None:
    x = clusters()[torch.randperm(600, generator=torch.Generator().manual_seed(0))]
    both = torch.cat([x, 100 * x.flip(0)], 1).T.reshape(1, 4, 20, 30)
    detector = Mixture(2, 3, 1e-4, 10_000, 0)
    detector.fit([both], 1)
    normal, _ = detector(both)
    assert float(normal.min()) >= 0 and 1 < float(normal.mean()) < 6
    first, second, none = both[..., :1, :1].clone(), both[..., :1, :1].clone(), both[..., :1, :1]
    first[:, :2], second[:, 2:] = 20, 2000
    a, b, usual = (float(detector(each)[0]) for each in (first, second, none))
    assert min(a, b) > usual + 10 and a == pytest.approx(b, rel=0.2)


def test_it_is_stored_and_fitted_in_inference_mode() -> None:
    detector, other = Mixture(1, 2, 1e-2, 100, 0), Mixture(1, 2, 1e-2, 100, 0)
    with torch.inference_mode():
        detector.fit([torch.rand(1, 3, 8, 8)], 1)
    other.load_state_dict(detector.state_dict())
    X = torch.rand(1, 3, 2, 2)
    assert torch.equal(other(X)[0], detector(X)[0])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="levels, components and ridge are 1, 0"):
        Mixture(1, 0, 0.1, 100, 0)
