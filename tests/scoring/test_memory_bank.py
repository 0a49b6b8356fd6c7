"""The memory bank: the vectors that it chooses, their distances, and its checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from anomaly_lab.scoring.memory_bank import MemoryBank


def maps(count: int, rows: int = 4, columns: int = 5, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 3, rows, columns, generator=generator) for _ in range(count)]


def new_bank(**options: Any) -> MemoryBank:
    return MemoryBank(**{"size": 1000, "reduction": "random", "whiten": 0, "reweight": 0, "seed": 0} | options)


def fitted(features: list[Tensor], **options: Any) -> MemoryBank:
    bank = new_bank(**options)
    bank.fit(features, len(features))
    return bank


def test_a_bank_of_all_vectors_gives_the_distance_to_the_nearest() -> None:
    shown, new = maps(6), torch.cat(maps(2, seed=1))
    distance, weights = fitted(shown)(new)
    everything = torch.cat([m[0].flatten(1).T for m in shown])
    for b in range(2):
        for i in range(4):
            for j in range(5):
                expected = (everything - new[b, :, i, j]).square().sum(1).min().sqrt()
                torch.testing.assert_close(distance[b, i, j], expected)
    assert torch.equal(weights, torch.ones(2))
    again, _ = fitted(shown)(shown[3])
    assert again.max() < 1e-6, "vectors in the bank are at distance 0"


@pytest.mark.parametrize("reduction", ["random", "coreset", "k_means"])
def test_images_have_equal_shares_and_equal_seeds_draw_alike(reduction: str) -> None:
    shown = [torch.full((1, 3, 4, 5), float(i)) + 0.01 * m for i, m in enumerate(maps(10))]
    options = {"size": 20, "reduction": reduction}
    bank = fitted(shown, **options)
    assert bank.vectors.shape == (20, 3)
    assert set(bank.vectors.mean(1).round().int().tolist()) == set(range(10))
    assert torch.equal(bank.vectors, fitted(shown, **options).vectors)
    assert not torch.equal(bank.vectors, fitted(shown, **options, seed=1).vectors)


def test_images_may_differ_in_size_and_there_may_be_few_vectors() -> None:
    assert fitted([*maps(1), *maps(2, rows=2, columns=2)], size=8000).vectors.shape == (20 + 8, 3)
    with pytest.raises(ValueError, match="no normal image"):
        new_bank().fit([], 0)


def test_whitened_distances_are_scipy_s_mahalanobis_distances(tmp_path: Path) -> None:
    stretch = torch.tensor([1.0, 20.0, 0.1]).view(3, 1, 1)
    shown, new = [m * stretch for m in maps(6)], torch.cat(maps(2, seed=1)) * stretch
    everything = torch.cat([m[0].flatten(1).T for m in shown]).double().numpy()
    covariance = np.cov(everything.T, bias=True)
    inverse = np.linalg.inv(covariance + 0.1 * np.trace(covariance) / 3 * np.eye(3))
    queries = new.movedim(1, -1).flatten(0, 2).double().numpy()
    expected = cdist(queries, everything, "mahalanobis", VI=inverse).min(1)
    bank = fitted(shown, whiten=0.1)
    np.testing.assert_allclose(bank(new)[0].flatten().numpy(), expected, rtol=1e-4)
    assert not np.allclose(expected, cdist(queries, everything).min(1), rtol=0.1), "plain distances are different"
    torch.save(bank.state_dict(), tmp_path / "bank.pt")
    other = new_bank(whiten=0.1)
    other.load_state_dict(torch.load(tmp_path / "bank.pt", weights_only=True))
    assert torch.equal(other(new)[0], bank(new)[0])


@pytest.mark.parametrize("options", [{"reduction": "coreset"}, {"reduction": "k_means"}, {"whiten": 0.1}])
def test_vectors_are_chosen_in_float32_even_under_bf16_autocast(options: dict[str, Any]) -> None:
    shown = [100 + m for m in maps(10)]  # near each other and far from 0, where bf16 has steps of 0.5
    exact = fitted(shown, size=20, **options).vectors
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fitted(shown, size=20, **options).vectors, exact)


def test_equal_vectors_can_be_whitened() -> None:
    bank = fitted([torch.ones(1, 3, 4, 5)], whiten=0.1)
    assert bank(torch.ones(1, 3, 2, 2))[0].max() == 0
    assert bank(torch.zeros(1, 3, 2, 2))[0].isfinite().all()


def test_the_image_s_weight_is_patchcore_s() -> None:
    """1 − exp‖x − m*‖ / Σ exp‖x − m‖ over the `reweight` vectors nearest to m*, for the most distant patch x."""
    new = torch.cat(maps(2, seed=1))
    bank = fitted(maps(6), reweight=4)
    distance, weights = bank(new)
    for b in range(2):
        i, j = divmod(int(distance[b].argmax()), 5)
        x = new[b, :, i, j].double()
        vectors = bank.vectors.double()
        nearest = vectors[(vectors - x).norm(dim=1).argmin()]
        around = vectors[(vectors - nearest).norm(dim=1).argsort()[:4]]
        exponentials = [float((x - m).norm().exp()) for m in around]
        assert float(weights[b]) == pytest.approx(1 - float((x - nearest).norm().exp()) / sum(exponentials), abs=1e-5)
        assert 0 < weights[b] < 1


def test_the_bank_lies_in_the_checkpoint_as_a_plain_tensor(tmp_path: Path) -> None:
    bank = fitted(maps(6), size=50)
    torch.save(bank.state_dict(), tmp_path / "bank.pt")
    other = new_bank(size=50)
    other.load_state_dict(torch.load(tmp_path / "bank.pt", weights_only=True))
    assert torch.equal(other.vectors, bank.vectors)


@pytest.mark.parametrize(
    ("name", "value"), [("size", 0), ("reduction", "pca"), ("whiten", -1), ("reweight", 1), ("reweight", -1)]
)
def test_an_argument_outside_its_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"scoring\.detector\.{name} is {value}: "):
        new_bank(**{name: value})
