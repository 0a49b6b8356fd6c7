"""Scores test images of a finished run again, from its checkpoint: what its records hold no pictures of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.stored_images import StoredImages
from anomaly_lab.module import AnomalyModule
from anomaly_lab.report.read.collect import Run
from anomaly_lab.show.gallery import to_image


@dataclass(frozen=True)
class Scored:
    """One image: `image` and `reconstruction` (h, w, 3) float32 in [0, 1] at the working scale, `heatmap` (H, W) float32 and
    `truth` (H, W) bool or None at the stored size. A network that gives back no image has no reconstruction: None."""

    sample: Sample
    image: NDArray[np.float32]
    reconstruction: NDArray[np.float32] | None
    heatmap: NDArray[np.float32]
    truth: NDArray[np.bool_] | None
    score: float


@dataclass(frozen=True)
class Scorer:
    """A run's network and images, ready to score. `held_out`: the normal images that its threshold was calibrated on."""

    run: Run
    module: AnomalyModule
    found: Category
    held_out: Sequence[Sample]
    precision: Any  # Lightning's precision plug-in

    @property
    def threshold(self) -> float:
        return float(self.module.threshold)

    @property
    def min_area(self) -> int:
        return int(self.module.hparams["min_area"])

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(**self.module.hparams["preprocessing"])

    def score(self, samples: Sequence[Sample]) -> Iterator[Scored]:
        """The samples one after the other, as the run's own test did: same precision, same tiles. A heatmap that the run has
        saved is taken from there."""
        images = StoredImages(samples, self.preprocessing)
        for i, sample in enumerate(samples):
            item: Any = images[i]
            truth = None if item["truth"] is None else item["truth"].numpy()
            item["X"] = self.precision.convert_input(item["X"].to(self.module.device))
            with torch.inference_mode(), self.precision.forward_context():
                outputs = self.module.detect(item)
            heatmap = outputs["heatmap"].float().cpu().numpy()
            yield Scored(
                sample,
                to_image(item["X"]),
                to_image(outputs["reconstruction"]) if "reconstruction" in outputs else None,
                self._saved(sample, heatmap),
                truth,
                float(outputs["score"]),
            )

    def _saved(self, sample: Sample, scored: NDArray[np.float32]) -> NDArray[np.float32]:
        path = self.run.path / "heatmaps" / sample.defect / f"{sample.path.stem}.npy"
        if sample not in self.found.test or not path.is_file():
            return scored
        return np.load(path, allow_pickle=False)
