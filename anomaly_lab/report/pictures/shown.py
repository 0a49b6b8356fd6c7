"""A run as the paper's figures show it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.folder import first_of_each_kind
from anomaly_lab.report.pictures.rescored import Rescored
from anomaly_lab.report.read.names import short
from anomaly_lab.report.read.official import source
from anomaly_lab.scored import Scored

ROWS = 6  # images of a figure


class Shown:
    """A run whose first images of each kind are scored once for all figures. `run["steps"]` is a value of its metrics.json."""

    def __init__(self, rescored: Rescored) -> None:
        self.rescored = rescored
        self.scored = list(rescored.score(first_of_each_kind(rescored.data.test, ROWS)))

    def __getitem__(self, name: str) -> Any:
        return self.rescored.run.metrics.get(name)

    @property
    def source(self) -> str:
        """What its data are called."""
        return source(self.rescored.run)

    @property
    def top(self) -> float:
        """The end of the heatmaps' scale: twice the threshold, as in the run's own pictures."""
        threshold = self.rescored.threshold
        return 2 * threshold if threshold > 0 else max(float(s.heatmap.max()) for s in self.scored)

    @property
    def name(self) -> str:
        """Objective, λ and corruption, on two lines."""
        return f"{short(self['objective'], self['lam'])},\n{self['corruption']}"

    @property
    def title(self) -> str:
        """The protocol and the name."""
        return f"{protocol([self])}\n{' '.join(self.name.split())}"

    def mask(self, s: Scored) -> NDArray[np.bool_]:
        """The mask (H, W) of an image: its heatmap over the threshold, without components smaller than min_area."""
        return detect(s.heatmap, self.rescored.threshold, self.rescored.min_area)


def protocol(runs: Sequence[Shown]) -> str:
    """The protocol of runs on the same data: "carpet, synthetic; tiny, 64 px, 10/20 steps, seed 0" if the steps differ."""

    def every(name: str) -> str:
        return "/".join(dict.fromkeys(str(run[name]) for run in runs))

    where = f"{runs[0]['category']}, {runs[0].source}"
    return f"{where}; {every('model')}, {every('image_size')} px, {every('steps')} steps, seed {every('seed')}"
