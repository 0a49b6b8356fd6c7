"""The only way back to a trained model: `load(run)` → module, configuration, levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.data.scoring_data import ScoringData, scoring_data
from anomaly_lab.errors import UserError
from anomaly_lab.module import AnomalyModule
from anomaly_lab.runs.checks import not_by_error
from anomaly_lab.runs.choices import record
from anomaly_lab.runs.finished import best_checkpoint, held_out_levels, require_run
from anomaly_lab.scored import preprocessing_of
from anomaly_lab.training.checkpoints import AtomicCheckpointIO
from anomaly_lab.training.trainer import device_of, precision_of

NORMAL_ERROR = "scorer.error."  # its part of the module's state
SCORING = ("error", "sigma", "tile", "pooling")  # what can be changed without training anew


@dataclass(frozen=True)
class Trained:
    """A trained model, ready to score: the module is on its device, in evaluation mode. `levels`: the held-out images' rows of
    levels.csv. `epoch`, `step`: of its weights."""

    run: Path
    module: AnomalyModule
    config: DictConfig
    levels: list[dict[str, Any]]
    epoch: int
    step: int

    def data(self) -> ScoringData:
        """The images of the configuration, with the training's own images held out. UserError as `scoring_data`."""
        data, known = self.config.data, {row["path"] for row in self.levels}
        reader: Any = OmegaConf.to_container(data.reader)
        preprocessing, name = preprocessing_of(self.module), self.config.category.name
        return scoring_data(reader, data.root, name, preprocessing, data.validation_share, self.config.seed, known)


def load(run: str | Path, config: DictConfig | None = None, changed: Sequence[str] = ()) -> Trained:
    """Load the model of a finished run.

    `config`: the run's configuration, changed at the keys `changed` (scoring, min_area, rule, device); None for the run's own.
    UserError for a directory that holds no trained run, a damaged checkpoint, or changes that don't fit the model.
    """
    path = require_run(str(run))
    checkpoint = _checkpoint(path)
    own: Any = OmegaConf.load(path / "config.yaml") if config is None else config
    module = _rebuilt(checkpoint, own, changed)
    module.precision = precision_of(own.trainer.precision, own.trainer.accelerator)
    module = module.to(device_of(own.trainer.accelerator)).eval()
    return Trained(path, module, own, held_out_levels(path), checkpoint["epoch"], checkpoint["global_step"])


def save(path: Path, module: AnomalyModule, epoch: int, step: int) -> None:
    """Write a complete checkpoint, as `load` reads it: plain data, no optimiser. UserError where it can't be written."""
    weights = {name: value.cpu() for name, value in module.state_dict().items()}
    content = {"state_dict": weights, "hyper_parameters": dict(module.hparams), "epoch": epoch, "global_step": step}
    AtomicCheckpointIO().save_checkpoint(content | {"pytorch-lightning_version": lightning.__version__}, path)


def _checkpoint(run: Path) -> dict[str, Any]:
    """The content of checkpoints/best.ckpt, as data. UserError for a damaged file, or one that holds more than data."""
    path = best_checkpoint(run)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {name: found[name] for name in ("state_dict", "hyper_parameters", "epoch", "global_step")}
    except Exception as error:  # zip, pickle and end-of-file errors, each of another type
        raise UserError(f"{path} is damaged or no checkpoint of a run ({type(error).__name__}): copy it again") from error


def _rebuilt(checkpoint: dict[str, Any], config: DictConfig, changed: Sequence[str]) -> AnomalyModule:
    """The module of a checkpoint with the changed scoring, min_area and rule. UserError where they don't belong together."""
    hparams = dict(checkpoint["hyper_parameters"])
    scoring = hparams["scoring"] = dict(hparams["scoring"])
    for name in (name for name in SCORING if f"scoring.{name}" in changed):
        value = config.scoring[name]
        if name == "error" and "detector" in scoring and value != scoring["error"]:
            raise UserError(not_by_error(value, config.model.name))
        if (name in ("error", "pooling") and "detector" not in scoring) or name == "pooling":
            value = record(f"scoring.{name}", value)
        scoring[name] = scoring["train_size"] if value == "train_size" else value
    weights = checkpoint["state_dict"]
    try:
        module = AnomalyModule(**hparams)
        if "scoring.error" in changed:  # what error is normal is learnt anew with the threshold, or not needed any more
            weights = {k: v for k, v in weights.items() if not k.startswith(NORMAL_ERROR)}
            weights |= {k: v for k, v in module.state_dict().items() if k.startswith(NORMAL_ERROR)}
        module.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"the run's checkpoint is of another version of anomaly_lab: {' '.join(str(error).split())}") from error
    if "category.min_area" in changed and config.category.min_area is not None:
        module.hparams["min_area"] = config.category.min_area
    if any(key.split(".")[0] == "calibration" for key in changed):
        module.hparams["calibration"] = OmegaConf.to_container(config.calibration)
    return module
