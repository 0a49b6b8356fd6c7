"""A finished run with its model and images, for pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.folder import Sample, first_of_each_kind
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import UserError
from anomaly_lab.report.read.official import source
from anomaly_lab.report.read.run import Run
from anomaly_lab.report.read.settings import short
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import Trained, load
from anomaly_lab.scored import Scored, score

ROWS = 6  # images of a figure


@dataclass(frozen=True)
class Rescored:
    """A run, its trained model, and the images of its training and test. `run["steps"]` is a value of its metrics.json."""

    run: Run
    trained: Trained
    data: ScoringData

    def __getitem__(self, name: str) -> Any:
        return self.run.metrics.get(name)

    @property
    def threshold(self) -> float:
        """The run's threshold, in units of the heatmap."""
        return float(self.trained.module.threshold)

    @property
    def min_area(self) -> int:
        """The size of the smallest defect, in pixels."""
        return int(self.trained.module.hparams["min_area"])

    def score(self, samples: Sequence[Sample]) -> Iterator[Scored]:
        """Score images as the run's own test did: with the same precision and the same tiles."""
        return score(self.trained.module, samples)

    @cached_property
    def shown(self) -> list[Scored]:
        """The first test images of each kind, scored once for all figures."""
        return list(self.score(first_of_each_kind(self.data.test, ROWS)))

    @property
    def source(self) -> str:
        """What its data are called."""
        return source(self.run)

    @property
    def top(self) -> float:
        """The end of the heatmaps' scale: twice the threshold, as in the run's own pictures."""
        return 2 * self.threshold if self.threshold > 0 else max(float(s.heatmap.max()) for s in self.shown)

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
        return detect(s.heatmap, self.threshold, self.min_area)


def rescored(run: Run) -> Rescored:
    """Load a run's model and find its images.

    UserError if the checkpoint, the configuration or the images are missing or damaged, or if the run had other images.
    """
    for path in (best_checkpoint(run.path), run.path / "config.yaml"):
        if not path.is_file():
            raise UserError(f"{path} is missing: copy it there to see the run's images")
    trained = load(run.path)
    data = trained.data()
    known, here = run.metrics.get("n_test"), len(data.test)
    if here != known:
        raise UserError(f"{data.found.root} has {here} test images, but the run had {known}: restore them")
    return Rescored(run, trained, data)


def protocol(runs: Sequence[Rescored]) -> str:
    """The protocol of runs on the same data: "carpet, synthetic; tiny, 64 px, 10/20 steps, seed 0" if the steps differ."""

    def every(name: str) -> str:
        return "/".join(dict.fromkeys(str(run[name]) for run in runs))

    where = f"{runs[0]['category']}, {runs[0].source}"
    return f"{where}; {every('model')}, {every('image_size')} px, {every('steps')} steps, seed {every('seed')}"
