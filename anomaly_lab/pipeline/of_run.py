"""A finished run that decides about images."""

from pathlib import Path
from typing import Any

import torch

from anomaly_lab.calibration.levels import detect
from anomaly_lab.files import of_file
from anomaly_lab.pipeline.deciders import Decision
from anomaly_lab.pipeline.saved import Opened
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.machine import each
from anomaly_lab.runs.trained import load
from anomaly_lab.scored import look, preprocessing_of


class OfRun:
    """A finished run, through `scored.look`. UserError for a run that is missing, damaged or without a threshold."""

    def __init__(self, run: Path, parallel: int = 1) -> None:
        trained = load(run)
        self.module = trained.module
        self.parallel = parallel if self.module.device.type == "cpu" else 1  # a GPU has one image after the other
        self.threshold, self.min_area = trained.threshold, int(self.module.hparams["min_area"])
        self.levels, self.profile = self.module.hparams["calibration"].get("levels"), self.module.hparams["profile"]
        self.preprocessing = preprocessing_of(self.module)
        self.source: dict[str, Any] = {"run": str(trained.run.resolve()), "checkpoint": of_file(best_checkpoint(trained.run))}

    def begin(self) -> None:
        """Compute with a share of the cores in this thread; another one keeps its own number."""
        torch.set_num_threads(each(self.parallel))

    def decide(self, image: Opened) -> Decision:
        """The run's decision, on its device and in its precision."""
        found = look(self.module, image.X, image.size, way=image.way)
        return Decision(found.heatmap, found.score, detect(found.heatmap, self.threshold, self.min_area))
