"""A finished run with its model and images, to be shown in pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import UserError
from anomaly_lab.report.read.run import Run
from anomaly_lab.runs.trained import Trained, load
from anomaly_lab.scored import Scored, preprocessing_of, score


@dataclass(frozen=True)
class Rescored:
    """A run, its trained model, and the images that it was trained and tested on."""

    run: Run
    trained: Trained
    data: ScoringData

    @property
    def threshold(self) -> float:
        """In the units of the heatmaps."""
        return float(self.trained.module.threshold)

    @property
    def min_area(self) -> int:
        """Pixels of the smallest defect."""
        return int(self.trained.module.hparams["min_area"])

    @property
    def preprocessing(self) -> Preprocessing:
        """How the run's images are prepared."""
        return preprocessing_of(self.trained.module)

    def score(self, samples: Sequence[Sample]) -> Iterator[Scored]:
        """Score images as the run's own test did: same precision, same tiles."""
        return score(self.trained.module, samples)


def rescored(run: Run) -> Rescored:
    """Load a run's model and find its images. UserError where they are missing, damaged, or not those that the run had."""
    trained = load(run.path)
    data = trained.data()
    if len(data.test) != run.metrics.get("n_test"):
        raise UserError(f"{data.found.root} has {len(data.test)} test images now, the run had {run.metrics.get('n_test')}")
    return Rescored(run, trained, data)
