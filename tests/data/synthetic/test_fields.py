"""Fields: steps, noise, cells, shifts and reliefs, each against what its definition demands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.data.synthetic.fields import SIZE, cells, coordinates, mix, noise, shade, shifted, smoothstep


@given(x=st.floats(-100, 100), y=st.floats(-100, 100), angle=st.floats(-4, 4))
def test_coordinates_are_turned_and_keep_distances(x: float, y: float, angle: float) -> None:
    plain, turned = coordinates((x, y)), coordinates((x, y), angle)
    np.testing.assert_allclose(np.hypot(*turned), np.hypot(*plain), atol=1e-3)
    along = plain[0] * np.cos(angle) + plain[1] * np.sin(angle)
    np.testing.assert_allclose(turned[0], along, atol=1e-3)
    assert coordinates()[0][0, 0] == -coordinates()[0][0, -1] == -(SIZE - 1) / 2


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (3.0, -1.0)])
def test_smoothstep_rises_or_falls_between_its_ends(low: float, high: float) -> None:
    values = smoothstep(low, high, np.array([low, (low + high) / 2, high]))
    np.testing.assert_allclose(values, [0, 0.5, 1])
    steps = np.diff(smoothstep(low, high, np.linspace(-2, 4, 50)))
    assert (steps * np.sign(high - low) >= 0).all()


def test_noise_has_its_mean_and_deviation() -> None:
    fields = [noise(np.random.default_rng(seed), 16) for seed in range(20)]
    assert np.mean(fields) == pytest.approx(0, abs=0.05)
    assert np.std(fields) == pytest.approx(1.2, abs=0.1)


def test_noise_varies_more_slowly_along_its_longer_period() -> None:
    field = noise(np.random.default_rng(0), 8, 64)
    assert np.abs(np.diff(field, axis=1)).mean() > 4 * np.abs(np.diff(field, axis=0)).mean()


@pytest.mark.parametrize("seed", range(3))
def test_cells_meet_where_two_points_are_equally_near(seed: int) -> None:
    """Between neighbouring pixels no distance changes by more than 1, so at a border the two differ by at most 2."""
    first, second, number = cells(np.random.default_rng(seed), *coordinates(), 15.0)
    assert (first >= 0).all() and (first <= second).all()
    assert 200 < len(np.unique(number)) < 500, "about (256 / 15)² cells"
    for axis in (0, 1):
        assert np.abs(np.diff(first, axis=axis)).max() <= 1.001
        border = np.diff(number, axis=axis) != 0
        gap = np.delete(second - first, -1, axis)
        assert gap[border].max() <= 2.001


def test_shifted_repeats_the_edge() -> None:
    field = np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
    moved = shifted(field, 3)
    np.testing.assert_array_equal(moved[3:, 3:], field[:-3, :-3])
    np.testing.assert_array_equal(moved[0], moved[3])


def test_a_flat_relief_is_neither_lit_nor_shaded() -> None:
    assert (shade(np.full((SIZE, SIZE), 7.0, np.float32)) == 1).all()
    rising = shade(coordinates()[0] * 0.1, light=(-0.7, 0.0))
    np.testing.assert_allclose(rising, 1.07, atol=1e-4, err_msg="a slope that faces a lamp on the left is brighter")


def test_mix_goes_from_one_picture_to_the_other() -> None:
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[:, 1], alpha[:, 2] = 0.25, 1
    mixed = mix(np.zeros((SIZE, SIZE, 3), np.float32), (0.4, 0.8, 1.0), alpha)
    np.testing.assert_allclose(mixed[5, :3], [[0, 0, 0], [0.1, 0.2, 0.25], [0.4, 0.8, 1.0]], atol=1e-6)
