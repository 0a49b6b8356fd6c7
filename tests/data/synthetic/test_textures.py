"""Leather, tile and wood: random, the same for the same generator, and with the grain that they promise."""

from collections.abc import Callable

import numpy as np
import pytest

from anomaly_lab.data.synthetic.textures import Surface, sample_leather, sample_tile, sample_wood


@pytest.mark.parametrize("sample", [sample_leather, sample_tile, sample_wood])
def test_a_texture_follows_from_its_generator_and_fills_the_picture(sample: Callable[[np.random.Generator], Surface]) -> None:
    first, again, other = (sample(np.random.default_rng(seed)).render() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (256, 256, 3)
    assert np.mean((first < 0) | (first > 1)) < 0.03
    assert (sample(np.random.default_rng(0)).region == 1).all()
    assert min(half.std() for half in (first[:128], first[128:], first[:, :128], first[:, 128:])) > 0.02, "no half is flat"


@pytest.mark.parametrize("seed", range(3))
def test_the_grain_of_wood_is_upright_and_that_of_leather_and_tile_has_no_direction(seed: int) -> None:
    def ratio(sample: Callable[[np.random.Generator], Surface]) -> float:
        grey = sample(np.random.default_rng(seed)).render().mean(2)
        return float(np.abs(np.diff(grey, axis=1)).mean() / np.abs(np.diff(grey, axis=0)).mean())

    assert ratio(sample_wood) > 2
    assert ratio(sample_leather) == pytest.approx(1, abs=0.3)
    assert ratio(sample_tile) == pytest.approx(1, abs=0.3)
