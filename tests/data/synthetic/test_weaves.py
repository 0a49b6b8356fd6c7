"""Carpet and grid: they repeat, and a defect stays on its threads."""

from collections.abc import Callable

import numpy as np
import pytest

from anomaly_lab.data.synthetic.reader import Item, render
from anomaly_lab.data.synthetic.weaves import Weave, bent_wire, broken_wire, dyed_thread, misweave, sample_carpet, sample_grid


@pytest.mark.parametrize("category", ["carpet", "grid"])
def test_a_regular_texture_repeats(category: str) -> None:
    """Its spectrum has strong lines, and the strongest has a period of at least 10 px."""
    grey = render(category, Item("train", "good", 0, 0))[1].mean(axis=2)
    spectrum = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(np.hanning(256), np.hanning(256))))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    frequency = np.hypot(np.fft.fftfreq(256)[row], np.fft.fftfreq(256)[column])
    assert 1 / frequency >= 10
    assert spectrum.max() > 100 * np.median(spectrum)


@pytest.mark.parametrize(
    ("sample", "spoil", "strips"),
    [(sample_carpet, dyed_thread, 1), (sample_carpet, misweave, 7), (sample_grid, bent_wire, 2), (sample_grid, broken_wire, 2)],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_defect_stays_on_its_threads(
    sample: Callable[[np.random.Generator], Weave],
    spoil: Callable[[Weave, np.random.Generator], np.ndarray],
    strips: int,
    seed: int,
) -> None:
    """The changed pixels lie in so many neighbouring strips of one family: a wire's shadow reaches into the next one."""
    weave = sample(np.random.default_rng(seed))
    before, after = weave.render(), spoil(weave, np.random.default_rng(seed))
    assert before.shape == after.shape == (256, 256, 3)
    changed = np.abs(after - before).max(2) > 0.02
    assert np.count_nonzero(changed) > 20
    assert min(np.ptp(weave.number(threads)[changed]) for threads in (weave.warp, weave.weft)) < strips
