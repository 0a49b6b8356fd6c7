"""Do the images that come in still look like those of the calibration? A two-sample test over windows of a stream.

The rate of false alarms is promised for images like the held-out ones. If the camera, the light or the material changes, the
levels of normal images change, long before anybody notices. Defective images must not set off the warning: only levels up to
the threshold are compared, those of the window and those of the held-out images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Images that passed. With 50 held-out images a shift by one standard deviation is found in 92 % of the windows, with 9 in 14 %;
# a shift by half of one with 50 in 13 %, with 100 in 37 %.
WINDOW = 100
RATE = 0.001  # of false warnings, for each window
FEWEST = 8  # held-out images; with fewer, only a camera that sees nothing at all would be noticed


class Shift(NamedTuple):
    """The test of one window: its `first` and `last` image in the stream, from 1 on; `p`, the p-value; `median`, of its levels;
    `expected`, the median of the held-out ones."""

    first: int
    last: int
    p: float
    median: float
    expected: float

    @property
    def warns(self) -> bool:
        """Whether the window differs. It happens by chance in a share `RATE` of the windows."""
        return self.p < RATE


class Drift:
    """Tests each window of `WINDOW` passed images against the held-out images.

    `normal`: the levels of the held-out images. `threshold`: the run's. Windows do not overlap, so that their tests are
    independent, up to the held-out images that they share.
    """

    def __init__(self, normal: Sequence[float], threshold: float) -> None:
        self.threshold = threshold
        self.normal = np.sort([level for level in normal if level <= threshold])
        self.seen, self.first = 0, 1
        self.window: list[float] = []

    @property
    def able(self) -> bool:
        """Whether there are held-out images enough for a warning."""
        return len(self.normal) >= FEWEST

    def update(self, level: float | None) -> Shift | None:
        """Add the level of the stream's next image; None for one without. Returns the test of a window that is full now."""
        self.seen += 1
        if level is not None and level <= self.threshold:
            self.window.append(level)
        if len(self.window) < WINDOW or not self.able:
            return None
        from scipy.stats import ks_2samp  # takes .3 s to load

        p = float(ks_2samp(self.window, self.normal, method="exact").pvalue)
        found = Shift(self.first, self.seen, p, float(np.median(self.window)), float(np.median(self.normal)))
        self.window, self.first = [], self.seen + 1
        return found
