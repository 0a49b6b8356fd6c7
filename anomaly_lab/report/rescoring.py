"""Scores test images of a finished run again, from its checkpoint: what its records hold no pictures of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from anomaly_lab.assembly import make_tester, quiet
from anomaly_lab.data.datamodule import files, split
from anomaly_lab.data.datasets import TestImages
from anomaly_lab.data.folder import Category, Sample
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.errors import UserError
from anomaly_lab.gallery import to_image
from anomaly_lab.module import AnomalyModule
from anomaly_lab.report.collect import Run


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
        images = TestImages(samples, self.preprocessing)
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


def scorer(run: Run) -> Scorer:
    """UserError, with the reason, where the checkpoint or the images are missing or are not what the run had."""
    checkpoint = run.path / "checkpoints" / "best.ckpt"
    if not checkpoint.is_file():
        raise UserError(f"{checkpoint} is missing: copy it there to see the run's images")
    if not run.config:
        raise UserError(f"{run.path} has no config.yaml, which names its images: copy it there to see them")
    try:
        module = AnomalyModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    except Exception as error:  # whatever a damaged file makes torch say
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{checkpoint} cannot be loaded ({why}): copy it again") from error
    data = run.config["data"]
    found = files(data["name"], data["root"], run.config["category"]["name"], need_training=False)
    if len(found.test) != run.metrics.get("n_test"):
        raise UserError(f"{found.root} has {len(found.test)} test images now, the run had {run.metrics.get('n_test')}")
    quiet()
    trainer = make_tester(OmegaConf.create({"trainer": run.config["trainer"]}), run.path, [])
    plugin = trainer.precision_plugin
    module = plugin.convert_module(module).to(trainer.strategy.root_device)  # type: ignore[assignment]
    held_out = split(found.train, data["validation_share"], run.metrics["seed"])[1] if len(found.train) > 1 else []
    return Scorer(run, module, found, held_out, plugin)


def first_of_each_kind(samples: Iterable[Sample], most: int) -> list[Sample]:
    """The first image of each kind in alphabetical order, up to `most` of them, whether the run gets them right or not."""
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(sample.defect, sample)
    return [first[defect] for defect in sorted(first)][:most]
