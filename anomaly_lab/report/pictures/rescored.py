"""A finished run with its model and images, for pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import UserError
from anomaly_lab.report.read.run import Run
from anomaly_lab.runs.directory import best_checkpoint
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
        """The run's threshold, in units of the heatmap."""
        return float(self.trained.module.threshold)

    @property
    def min_area(self) -> int:
        """The size of the smallest defect, in pixels."""
        return int(self.trained.module.hparams["min_area"])

    @property
    def preprocessing(self) -> Preprocessing:
        """The preparation of the run's images."""
        return preprocessing_of(self.trained.module)

    def score(self, samples: Sequence[Sample]) -> Iterator[Scored]:
        """Score images as the run's own test did: with the same precision and the same tiles."""
        return score(self.trained.module, samples)


def rescored(run: Run) -> Rescored:
    """Load a run's model and find its images.

    UserError if the checkpoint, the configuration or the images are missing or damaged, or if the run had other images.
    """
    for path in (best_checkpoint(run.path), run.path / "config.yaml"):
        if not path.is_file():
            raise UserError(f"{path} is missing: copy it there to see the run's images")
    trained = load(run.path)
    data = trained.data()
    if len(data.test) != run.metrics.get("n_test"):
        raise UserError(
            f"{data.found.root} has {len(data.test)} test images, but the run had {run.metrics.get('n_test')}: restore them"
        )
    return Rescored(run, trained, data)
