"""Who decides about an image: a run, or a file that was exported from one. `predict` does not know which."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.errors import UserError
from anomaly_lab.exported import digests, runtime
from anomaly_lab.files import of_file
from anomaly_lab.pipeline.saved import Opened
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import load
from anomaly_lab.scored import look, preprocessing_of


class Decision(NamedTuple):
    """About one image: `heatmap` (H, W) float32, `score`, and `mask` (H, W) bool, True for pixels of detected defects."""

    heatmap: NDArray[np.float32]
    score: float
    mask: NDArray[np.bool_]


class Decider(Protocol):
    """It decides about images, and says what a row needs besides.

    `levels`: quiet levels of the held-out normal images, None if there are none. `profile`: see `data.likeness`. `source`:
    plain values that tell this decider from any other.
    """

    threshold: float
    min_area: int
    levels: Sequence[float] | None
    profile: Mapping[str, Sequence[float]]
    preprocessing: Preprocessing
    source: dict[str, Any]

    def decide(self, image: Opened) -> Decision:
        """The decision about an image. UserError for one that this decider can't take."""


def decider(run: Path | None, model: Path | None, name: str | None) -> Decider:
    """The decider of a run, or of an exported file with the runtime `name`. UserError as for `OfRun` and `OfFile`."""
    if model is not None:
        return OfFile(model, name)
    assert run is not None  # the command requires one of them
    return OfRun(run)


class OfRun:
    """A finished run, through `scored.look`. UserError for a run that is missing, damaged or without a threshold."""

    def __init__(self, run: Path) -> None:
        trained = load(run)
        self.module = trained.module
        self.threshold, self.min_area = float(self.module.threshold), int(self.module.hparams["min_area"])
        if not np.isfinite(self.threshold):
            raise UserError(f"{run} has no threshold: let it finish with python -m anomaly_lab.train resume={run}")
        self.levels, self.profile = self.module.hparams["calibration"].get("levels"), self.module.hparams["profile"]
        self.preprocessing = preprocessing_of(self.module)
        self.source: dict[str, Any] = {"run": str(trained.run.resolve()), "checkpoint": of_file(best_checkpoint(trained.run))}

    def decide(self, image: Opened) -> Decision:
        """The run's decision, on its device and in its precision."""
        found = look(self.module, image.X, image.size)
        return Decision(found.heatmap, found.score, detect(found.heatmap, self.threshold, self.min_area))


class OfFile:
    """A file of `python -m anomaly_lab.export`. UserError as for `exported.runtime.opened`."""

    def __init__(self, file: Path, name: str | None) -> None:
        self.exported = runtime.opened(file, name)
        record = self.exported.record
        self.threshold, self.min_area, self.profile = record["threshold"], record["min_area"], record["profile"]
        self.levels, self.preprocessing = record["levels"] or None, Preprocessing(**record["preprocessing"])
        self.source: dict[str, Any] = {"model": str(file.resolve()), "file": digests.of(file), "runtime": name}

    def decide(self, image: Opened) -> Decision:
        """The file's own decision: mask and score come out of its graph."""
        found = self.exported(image.stored)
        return Decision(found.heatmap, found.score, found.mask)
