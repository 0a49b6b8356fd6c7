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
from anomaly_lab.scoring.forward import FOLDS
from anomaly_lab.scoring.fusion import BRIEF, DECADES, FLOOR, IMAGES, KNOTS, Fusion, _rarity, _units
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
    """Of 1,001 values, the table's ends are the lowest and the one that a thousandth of them reaches or exceeds."""
    values = torch.cat([torch.arange(1000.0), torch.tensor([3002.0])])
    (found,) = _units([values[torch.randperm(1001, generator=torch.Generator().manual_seed(0))]])
    logs = torch.log(values / 502 + FLOOR)
    assert found[0] == 502, "the mean"
    assert found[1] == pytest.approx(float(logs[1000] - logs[999]) / 2 * math.log(10), rel=1e-3), "of 999 and 3,002"
    assert found[2] == pytest.approx(math.log(FLOOR)) and found[-1] == pytest.approx(float(logs[999]))
    decade = found[2 + (KNOTS - 1) // DECADES]
    assert decade == pytest.approx(float(logs[900]), abs=1e-3), "a tenth of them reaches 900"


def test_a_rarity_is_the_share_of_normal_pixels_above_in_decades() -> None:
    """Inside the table and, for an exponential tail, beyond it."""
    logs = torch.distributions.Exponential(2.0).icdf(torch.linspace(0, 1, 2_000_001)[:-1].double())
    (units,) = _units([torch.exp(logs)])
    shift = math.log(float(torch.exp(logs).mean()))
    for share in (1.0, 0.5, 0.1, 0.01, 0.001, 1e-5):
        value = torch.tensor(-math.log(share) / 2 - shift)
        assert float(_rarity(value, units)) == pytest.approx(-math.log10(share), abs=0.05)


@given(st.integers(0, 2**31), st.sampled_from([1, 2, 50, 5000]))
@settings(max_examples=30)
def test_a_higher_value_is_never_less_rare(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    (units,) = _units([torch.rand(count, generator=generator).round(decimals=2)])
    found = _rarity(torch.linspace(-6, 6, 500), units)
    assert found.isfinite().all() and (found.diff() >= 0).all() and found[0] == 0


def test_a_map_that_is_constant_on_normal_images_gives_them_no_rarity() -> None:
    (units,) = _units([torch.full((100,), 0.3)])
    assert float(_rarity(torch.log(torch.tensor(1 + FLOOR)), units)) == 0
    assert float(_rarity(torch.log(torch.tensor(2 + FLOOR)), units)) > DECADES


def test_the_heatmap_is_the_mean_of_the_rarities() -> None:
    fusion, weighted = Fusion([red, green]), Fusion([red, green], [3, 1])
    X = torch.rand(1, 3, 4, 5)
    fusion.learn(mean_colour, Normal(3), 1.0, False)  # type: ignore[arg-type]
    weighted.units.copy_(fusion.units)
    first, second = (_rarity(torch.log(X[:, k] * 100**k / fusion.units[k, 0] + FLOOR), fusion.units[k]) for k in (0, 1))
    heatmap, parts = fusion(X, X, 1.0)
    torch.testing.assert_close(parts, torch.stack([first, second], 1))
    torch.testing.assert_close(heatmap, (first + second) / 2)
    torch.testing.assert_close(weighted(X, X, 1.0)[0], (3 * first + second) / 4)


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


def test_on_normal_images_the_mean_rarity_is_that_of_an_exponential_distribution() -> None:
    fusion, normal = Fusion([red, green]), Normal(5)
    fusion.learn(mean_colour, normal, 1.0, False)  # type: ignore[arg-type]
    heatmaps = torch.cat([fusion(X[None], X[None], 1.0)[0] for _, X in normal.held_out_images(5)])
    assert heatmaps.mean() == pytest.approx(1 / math.log(10), rel=0.02)
    assert normal.asked[0] == IMAGES


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_a_single_map_stays_as_it_is(seed: int) -> None:
    X, output = torch.rand(2, 1, 3, 8, 9, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(Fusion([squared])(X, output, 2.0)[0], squared(X, output, 2.0))


def test_each_held_out_image_gets_a_fusion_that_has_not_learnt_from_it() -> None:
    fusion = Fusion([squared, NormalError()])
    others = fusion.learn(mean_colour, Normal(4), 1.0, False)  # type: ignore[arg-type]
    assert len({id(other.maps[1]) for other in others}) == 4
    assert all(other.maps[1] is not fusion.maps[1] and other.maps[0] is squared for other in others)
    assert fusion.units.isfinite().all()


@pytest.mark.parametrize("count", [2, 4, 7])
def test_a_held_out_image_is_measured_in_units_of_others(count: int) -> None:
    """Also where a fold holds two images; beyond `IMAGES`, units come from others anyway."""
    fusion, normal = Fusion([red, green]), Normal(count)
    others = fusion.learn(mean_colour, normal, 1.0, False)  # type: ignore[arg-type]
    images, folds = [X for _, X in normal.held_out_images(count)], min(FOLDS, count)
    for i, other in enumerate(others):
        apart = [X for k, X in enumerate(images) if k % folds != i % folds]
        expected = _units([torch.cat([red(X[None], X, 1.0).flatten() for X in apart]),
                           torch.cat([green(X[None], X, 1.0).flatten() for X in apart])])  # fmt: skip
        torch.testing.assert_close(other.units, expected)
    assert not torch.equal(others[0].units, fusion.units)


def test_images_beyond_those_of_the_units_have_the_common_ones() -> None:
    fusion = Fusion([red, green])
    others = fusion.learn(mean_colour, Normal(IMAGES + 2), 1.0, False)  # type: ignore[arg-type]
    assert [other.units is fusion.units for other in others] == [False] * IMAGES + [True] * 2


def test_halves_of_a_single_image_are_measured_by_each_other() -> None:
    """Its right half is brighter: rare for the left half, and the left half is not rare for the right one."""

    class One(Normal):
        def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
            self.asked.append(count)
            X = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
            yield 0, torch.cat([X[..., :16], 2 + X[..., 16:]], -1)

    fusion, normal = Fusion([red, green]), One(1)
    (other,) = fusion.learn(mean_colour, normal, 1.0, False)  # type: ignore[arg-type]
    ((_, X),) = normal.held_out_images(1)
    own, crossed = fusion(X[None], X[None], 1.0)[0][0], other(X[None], X[None], 1.0)[0][0]
    assert own.max() <= DECADES + 1, "no pixel is rarer than one among its own"
    assert crossed[:, 16:].min() > DECADES and crossed[:, :16].max() == 0


def test_levels_of_a_held_out_image_are_like_those_of_a_new_one() -> None:
    """In units of its own, the highest value of one image would be below that of most new ones."""
    generator = torch.Generator().manual_seed(1)

    def image() -> Tensor:
        return torch.rand(3, 16, 16, generator=generator) ** -0.3 * (1 + torch.rand(1, generator=generator))

    class Few(Normal):
        def __init__(self, images: list[Tensor]) -> None:
            super().__init__(len(images))
            self.images = images

        def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
            return iter(list(enumerate(self.images))[:count])

    above = []
    for _ in range(60):
        normal = Few([image() for _ in range(3)])
        fusion = Fusion([red, green])
        others = fusion.learn(mean_colour, normal, 1.0, False)  # type: ignore[arg-type]
        held = max(
            float(o(X[None], X[None], 1.0)[0].max()) for o, (_, X) in zip(others, normal.held_out_images(3), strict=True)
        )
        new = [image()[None] for _ in range(10)]
        above += [float(fusion(X, X, 1.0)[0].max()) > held for X in new]
    assert sum(above) / len(above) < 0.3, "a quarter is promised"


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
