"""Fusion of several maps: units by hand, order kept for one map, cross-fitting, and what a state dict holds."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_lab.scoring.errors import squared
from anomaly_lab.scoring.fusion import BRIEF, FLOOR, IMAGES, NARROWEST, Fusion, _units
from anomaly_lab.scoring.normal_error import NormalError


def mean_colour(X: Tensor) -> Tensor:
    """F(X)."""
    return X.mean((-2, -1), keepdim=True).expand_as(X)


class Normal:
    """Held-out images."""

    def __init__(self, count: int) -> None:
        self.held_out, self.asked = tuple(range(count)), list[int]()

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        self.asked.append(count)
        generator = torch.Generator().manual_seed(0)
        return ((i, torch.rand(3, 32, 32, generator=generator)) for i in self.held_out[:count])


def red(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    return X[:, 0]


def green(X: Tensor, output: Tensor, sigma: float) -> Tensor:
    return 100 * X[:, 1]


def test_units_by_hand() -> None:
    found = _units([torch.tensor([1.0, 3.0]), torch.tensor([5.0, 5.0])])
    low, high = math.log(1 / 2 + FLOOR), math.log(3 / 2 + FLOOR)
    torch.testing.assert_close(found[:, 0], torch.tensor([2.0, (low + high) / 2, (high - low) / 2]))
    torch.testing.assert_close(found[:, 1], torch.tensor([5.0, math.log(1 + FLOOR), NARROWEST]))


def test_the_heatmap_is_the_mean_of_the_maps_in_their_units() -> None:
    fusion = Fusion([red, green])
    fusion.units.copy_(torch.tensor([[0.5, 50.0], [-1.0, -1.0], [2.0, 4.0]]))
    X = torch.rand(1, 3, 4, 5)
    z = torch.log(2 * X + FLOOR) + 1
    heatmap, parts = fusion(X, X, 1.0)
    torch.testing.assert_close(heatmap, (z[:, 0] / 2 + z[:, 1] / 4) / 2)
    torch.testing.assert_close(parts, torch.stack([z[:, 0] / 2, z[:, 1] / 4], 1))
    weighted = Fusion([red, green], [3, 1])
    weighted.units.copy_(fusion.units)
    torch.testing.assert_close(weighted(X, X, 1.0)[0], (3 * z[:, 0] / 2 + z[:, 1] / 4) / 4)


def test_a_map_s_own_unit_does_not_matter() -> None:
    def red_in_percent(X: Tensor, output: Tensor, sigma: float) -> Tensor:
        return 100 * X[:, 0]

    X = torch.rand(2, 3, 8, 8)
    heatmaps = []
    for first in (red, red_in_percent):
        fusion = Fusion([first, green])
        fusion.learn(mean_colour, Normal(5), 1.0, False)  # type: ignore[arg-type]
        heatmaps.append(fusion(X, X, 1.0)[0])
    torch.testing.assert_close(*heatmaps, rtol=1e-4, atol=1e-4)


def test_on_normal_images_the_heatmap_is_about_0() -> None:
    fusion, normal = Fusion([red, green]), Normal(5)
    fusion.learn(mean_colour, normal, 1.0, False)  # type: ignore[arg-type]
    heatmaps = torch.cat([fusion(X[None], X[None], 1.0)[0] for _, X in normal.held_out_images(5)])
    assert abs(heatmaps.mean()) < 1e-5
    assert heatmaps.std() == pytest.approx(1 / math.sqrt(2), abs=0.03), "two independent maps"
    assert normal.asked[0] == IMAGES


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_a_single_map_stays_as_it_is(seed: int) -> None:
    X, output = torch.rand(2, 1, 3, 8, 9, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(Fusion([squared])(X, output, 2.0)[0], squared(X, output, 2.0))


def test_each_held_out_image_gets_a_fusion_that_has_not_learnt_from_it() -> None:
    fusion = Fusion([squared, NormalError()])
    others = fusion.learn(mean_colour, Normal(4), 1.0, False)  # type: ignore[arg-type]
    assert len({id(other.maps[1]) for other in others}) == 4
    assert all(other.maps[1] is not fusion.maps[1] and other.maps[0] is squared for other in others)
    assert all(other.units is fusion.units for other in others)
    assert fusion.units.isfinite().all()


def test_one_held_out_image_is_enough() -> None:
    fusion = Fusion([squared, NormalError()])
    (other,) = fusion.learn(mean_colour, Normal(1), 1.0, False)  # type: ignore[arg-type]
    X = torch.rand(1, 3, 32, 32)
    assert other(X, mean_colour(X), 1.0)[0].isfinite().all()


def test_during_training_few_images_give_the_units() -> None:
    fusion, normal = Fusion([squared, NormalError()]), Normal(9)
    assert fusion.learn(mean_colour, normal, 1.0, True) == []  # type: ignore[arg-type]
    assert max(normal.asked) == BRIEF and fusion.units.isfinite().all()


def test_a_single_plain_map_looks_at_no_image() -> None:
    fusion, normal = Fusion([squared]), Normal(3)
    assert fusion.learn(mean_colour, normal, 1.0, False) == [fusion] * 3  # type: ignore[arg-type]
    assert fusion.learn(mean_colour, None, 1.0, True) == []  # type: ignore[arg-type]
    assert not normal.asked


def test_a_state_dict_holds_the_units_and_what_the_maps_have_learnt() -> None:
    fusion, again = (Fusion([squared, NormalError()]) for _ in range(2))
    fusion.learn(mean_colour, Normal(3), 1.0, False)  # type: ignore[arg-type]
    again.load_state_dict(fusion.state_dict())
    X = torch.rand(1, 3, 32, 32)
    assert torch.equal(fusion(X, mean_colour(X), 1.0)[0], again(X, mean_colour(X), 1.0)[0])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], []])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"scoring\.weights is .*: give null, or a positive number for each of the 2 maps"):
        Fusion([red, green], weights)


def test_a_learnt_map_cannot_be_named_twice() -> None:
    with pytest.raises(ValueError, match="has NormalError twice"):
        Fusion([NormalError(), NormalError()])


def test_no_evidence_is_refused() -> None:
    empty: Any = []
    with pytest.raises(ValueError, match=r"scoring\.evidence is empty"):
        Fusion(empty)
