"""The distance of features as evidence: its bank, the light that it undoes, and what its state holds."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.scoring.features import BRIEF, LEARN, Features
from anomaly_lab.scoring.forward import FEW
from anomaly_lab.scoring.fusion import Fusion
from anomaly_lab.scoring.memory_bank import MemoryBank


class Means(nn.Module):
    """Features of patches of 4 × 4 px: their mean colours."""

    stride, natural_light = 4, True

    def begin(self, images: Any) -> None:
        self.begun = True

    def encode(self, X: Tensor) -> Tensor:
        self.seen = X
        return nn.functional.avg_pool2d(X, 4)

    def features(self, vectors: Tensor) -> Tensor:
        return vectors


class Normal:
    """Dark training images, some darker than the others, and brighter held-out ones."""

    held_out = ("a", "b")

    def __init__(self, train: int = FEW) -> None:
        self.train = train

    def training_images(self, count: int | None = None) -> tuple[Iterator[Tensor], int]:
        self.asked = count
        return (torch.full((3, 16, 16), (0.1, 0.2)[i % 2]) for i in range(self.train)), self.train

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        return ((i, torch.full((3, 16, 16), value)) for i, value in enumerate((0.6, 0.9)))


def features() -> Features:
    return Features(Means(), MemoryBank(1000, "random", 0, 0, 0), [1])


def test_a_pixel_has_its_patch_s_distance_from_the_nearest_normal_vector() -> None:
    found, normal = features(), Normal()
    assert found.learn(None, normal, False) == [found] * 2, "no held-out image is in the bank"  # type: ignore[arg-type, comparison-overlap]
    assert normal.asked == LEARN
    X = torch.full((1, 3, 16, 16), 0.2)
    X[..., 4:8, 8:12] = 0.5
    distance = found(X, X, 0.01)  # practically no smoothing
    assert distance.shape == (1, 16, 16)
    assert distance[0, 5:7, 9:11].min() > 0.3 > distance[0, 12:, :4].max(), "0.3 √3 = 0.52 in the middle of the patch"
    assert distance.min() >= 0


def test_during_training_the_bank_is_filled_once() -> None:
    found, normal = features(), Normal()
    assert found.learn(None, normal, True) == [] and normal.asked == BRIEF  # type: ignore[arg-type]
    before = found.detectors[0].vectors
    assert found.learn(None, normal, True) == [] and found.detectors[0].vectors is before  # type: ignore[arg-type]


def test_with_few_training_images_held_out_ones_are_remembered_but_not_for_themselves() -> None:
    found, few = features(), Normal(FEW - 1)
    others = found.learn(None, few, False)  # type: ignore[arg-type]

    def known(bank: Features) -> list[float]:
        images = {value: torch.full((1, 3, 16, 16), value) for value in (0.1, 0.2, 0.6, 0.9)}
        return [value for value, X in images.items() if float(bank(X, X, 0).max()) < 1e-5]

    assert known(found) == [0.1, 0.2, 0.6, 0.9]
    assert [known(other) for other in others] == [[0.1, 0.2, 0.9], [0.1, 0.2, 0.6]]
    assert known(others[0]) and torch.equal(others[0].light, found.light)
    assert [known(other) for other in found.learn(None, Normal(), False)] == [[0.1, 0.2]] * 2  # type: ignore[arg-type]


def test_without_training_images_the_bank_stays() -> None:
    """As in a calibration on new normal images."""
    found, normal = features(), Normal()
    found.learn(None, normal, False)  # type: ignore[arg-type]
    before = found.detectors[0].vectors
    normal.training_images = lambda count=None: (iter(()), 0)  # type: ignore[method-assign, assignment]
    assert found.learn(None, normal, False) == [found] * 2  # type: ignore[arg-type, comparison-overlap]
    assert found.detectors[0].vectors is before


def test_the_network_sees_the_light_of_the_stored_image() -> None:
    found = features()
    found.begin((0.1, 0.5))
    assert found.network.begun
    found._features(torch.tensor([0.0, 0.6, 1.0, 2.0]).expand(1, 3, 4, 4), 1)
    assert found.network.seen[0, 0, 0].tolist() == pytest.approx([0.1, 0.4, 0.6, 1.0]), "clipped to [0, 1]"


def test_its_state_holds_bank_and_light() -> None:
    first, second = Fusion([features()]), Fusion([features()])
    first.begin((0.1, 0.5))
    first.learn(None, Normal(), 1.0, False)  # type: ignore[arg-type]
    second.load_state_dict(first.state_dict())
    X = torch.rand(1, 3, 16, 16)
    assert torch.equal(first(X, X, 1.0)[0], second(X, X, 1.0)[0])


def test_scales_are_combined_by_their_geometric_mean() -> None:
    """With the weight 1 / s: of distances d₁ and d₂ at the scales 1 and 2 it is (d₁² d₂)^⅓."""
    X = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    maps = []
    for scales in ([1], [2], [1, 2]):
        found = Features(Means(), MemoryBank(1000, "random", 0, 0, 0), scales)
        found.learn(None, Normal(), False)  # type: ignore[arg-type]
        maps.append(found(X, X, 1.0))
    torch.testing.assert_close(maps[2], (maps[0] ** 2 * maps[1]) ** (1 / 3))
    assert not torch.equal(maps[0], maps[1])


def test_a_smaller_image_stands_for_larger_patches() -> None:
    found = Features(Means(), MemoryBank(1000, "random", 0, 0, 0), [2])
    found.learn(None, Normal(), False)  # type: ignore[arg-type]
    X = torch.full((1, 3, 32, 40), 0.2)
    X[..., 8:16, 24:32] = 0.5
    distance = found(X, X, 0.01)[0]
    assert distance.shape == (32, 40)
    assert divmod(int(distance.argmax()), 40) in {(row, column) for row in (11, 12) for column in (27, 28)}
    assert distance.max() == pytest.approx(0.3 * 3**0.5, rel=0.2) and distance[:4, :16].max() < 0.01


@pytest.mark.parametrize("scales", [[], [0], [1.5], [2, -1]])
def test_scales_are_whole_numbers(scales: list[int]) -> None:
    with pytest.raises(ValueError, match="whole numbers from 1 on"):
        Features(Means(), MemoryBank(1000, "random", 0, 0, 0), scales)


def test_features_of_two_networks_can_be_fused() -> None:
    class Others(Means):
        natural_light = False

    maps = [features(), Features(Others(), MemoryBank(10, "random", 0, 0, 0), [1])]
    fusion = Fusion(maps)
    assert set(fusion.learnt) == {"Means", "Others"}
    fusion.begin((0.1, 0.5))
    assert maps[0].light.tolist() == pytest.approx([0.1, 0.5]) and maps[1].light.tolist() == [0, 1], "it sees X itself"
    with pytest.raises(ValueError, match="Means twice"):
        Fusion([features(), features()])
