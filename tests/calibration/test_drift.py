"""The test for drift: its false warnings, and the shifts that it finds."""

import numpy as np
import pytest

from anomaly_lab.calibration.drift import FEWEST, RATE, WINDOW, Drift, Shift


def shifts(drift: Drift, levels: np.ndarray) -> list[Shift]:
    return [found for level in levels if (found := drift.update(float(level))) is not None]


@pytest.mark.parametrize("held_out", [9, 50, 300])
def test_false_warnings_are_as_rare_as_stated(held_out: int) -> None:
    """Over draws of the held-out images too: 400 windows, of which .4 are expected to warn."""
    rng = np.random.default_rng(held_out)
    warnings = 0
    for _ in range(400):
        normal = rng.normal(size=held_out)
        warnings += sum(found.warns for found in shifts(Drift(normal, normal.max()), rng.normal(size=WINDOW + 60)))
    assert warnings <= 4, f"the chance of more is below 1e-3 at a rate of {RATE}"


def test_a_shift_is_found_and_placed() -> None:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=60)
    stream = np.concatenate([rng.normal(size=3 * WINDOW), rng.normal(1.0, size=3 * WINDOW)])
    found = shifts(Drift(normal, normal.max() + 3), stream)
    assert [f.warns for f in found] == [False] * 3 + [True] * 3
    assert (found[3].first, found[3].last) == (3 * WINDOW + 1, 4 * WINDOW)
    assert found[3].median > found[3].expected + 0.5


def test_lower_levels_are_a_drift_too() -> None:
    """A blurred camera sees no defects, and no texture either."""
    rng = np.random.default_rng(1)
    normal = rng.normal(size=60)
    (found,) = shifts(Drift(normal, normal.max()), rng.normal(-1.2, size=WINDOW))
    assert found.warns and found.median < found.expected


def test_defective_images_and_unread_ones_set_off_nothing() -> None:
    rng = np.random.default_rng(2)
    normal = rng.normal(size=60)
    drift = Drift(normal, normal.max())
    found = []
    for level in rng.normal(size=WINDOW + 20):
        found += [drift.update(50.0), drift.update(None), drift.update(float(level))]
    tested = [f for f in found if f is not None]
    assert len(tested) == 1 and not tested[0].warns and tested[0].last > 3 * WINDOW - 3


def test_few_held_out_images_cannot_warn() -> None:
    drift = Drift(range(FEWEST - 1), 100.0)
    assert not drift.able and shifts(drift, np.full(300, 50.0)) == []
