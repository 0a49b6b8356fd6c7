"""Objects: they lie whole in the picture, and a defect of the shape changes one place of them."""

from collections.abc import Callable

import numpy as np
import pytest

from anomaly_lab.data.synthetic.objects import (
    Part,
    chipped,
    flattened,
    misprinted,
    sample_bottle,
    sample_hazelnut,
    sample_metal_nut,
    sample_pill,
)

SAMPLERS = [sample_bottle, sample_hazelnut, sample_metal_nut, sample_pill]


@pytest.mark.parametrize("sample", SAMPLERS)
@pytest.mark.parametrize("seed", range(3))
def test_an_object_lies_whole_in_the_picture(sample: Callable[[np.random.Generator], Part], seed: int) -> None:
    part = sample(np.random.default_rng(seed))
    assert part.render().shape == (256, 256, 3)
    assert 0.2 < part.region.mean() < 0.8
    rim = np.concatenate([part.region[[0, -1]].ravel(), part.region[:, [0, -1]].ravel()])
    assert rim.max() == 0


@pytest.mark.parametrize("sample", SAMPLERS)
@pytest.mark.parametrize("seed", range(3))
def test_a_chip_is_missing_from_one_place_of_the_rim(sample: Callable[[np.random.Generator], Part], seed: int) -> None:
    part = sample(np.random.default_rng(seed))
    changed = np.abs(chipped(part, np.random.default_rng(seed), (10, 14)) - part.render()).max(2) > 0.05
    rows, columns = np.nonzero(changed)
    assert len(rows) > 20
    assert max(np.ptp(rows), np.ptp(columns)) < 80
    assert np.abs(part.depth[changed]).min() < 2, "it reaches the outline"


@pytest.mark.parametrize("seed", range(3))
def test_a_misprint_changes_the_pill_near_its_centre_only(seed: int) -> None:
    part = sample_pill(np.random.default_rng(seed))
    changed = np.abs(misprinted(part, np.random.default_rng(seed)) - part.render()).max(2) > 0.01
    assert changed.any()
    assert part.depth[changed].min() > 5


@pytest.mark.parametrize("seed", range(3))
def test_a_flattened_nut_has_lost_a_corner(seed: int) -> None:
    part = sample_metal_nut(np.random.default_rng(seed))
    spoilt = flattened(part, np.random.default_rng(seed))
    changed = np.abs(spoilt - part.render()).max(2) > 0.03
    inside = changed & (part.depth > 1)
    assert np.count_nonzero(inside) > 50
    rows, columns = np.nonzero(inside)
    assert max(np.ptp(rows), np.ptp(columns)) < 128, "five corners of six stay"
