"""The split into training and held-out images."""

from pathlib import Path

import pytest

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.held_out import split
from anomaly_lab.errors import UserError


def named(count: int) -> list[Sample]:
    return [Sample(Path(f"train/good/{i:03d}.png"), "good", None) for i in range(count)]


@pytest.mark.parametrize("count", [2, 3, 7, 20, 101])
@pytest.mark.parametrize("share", [1e-6, 0.15, 0.5, 0.999])
def test_the_split_is_disjoint_complete_and_has_its_share(count: int, share: float) -> None:
    samples = named(count)
    train, held_out = split(samples, share, seed=0)
    assert sorted([*train, *held_out], key=samples.index) == samples
    assert train == sorted(train, key=samples.index)
    assert held_out == sorted(held_out, key=samples.index)
    assert train
    assert held_out
    wanted = round(share * count)
    fewest = {2: 1, 3: 1, 7: 3, 20: 3, 101: 3}[count]
    assert len(held_out) == min(max(wanted, fewest), count - 1)


@pytest.mark.parametrize(("count", "fewest"), [(2, 1), (4, 1), (5, 2), (6, 2), (7, 3), (19, 3), (25, 4)])
def test_few_images_hold_out_three_but_fewer_than_half(count: int, fewest: int) -> None:
    assert len(split(named(count), 0.15, 0)[1]) == fewest


def test_the_split_follows_from_the_seed() -> None:
    samples = named(40)
    assert split(samples, 0.2, 3) == split(samples, 0.2, 3)
    drawn = [split(samples, 0.2, seed)[1] for seed in range(10)]
    assert len({tuple(s.path for s in held_out) for held_out in drawn}) == 10
    assert len({sample.path for held_out in drawn for sample in held_out}) > 25, "always the same part is held out"


def test_a_single_image_cannot_be_split() -> None:
    with pytest.raises(UserError, match=r"train.good holds a single image: at least two"):
        split(named(1), 0.2, 0)
