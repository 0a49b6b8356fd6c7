"""Trained models on disk: `save` writes a checkpoint, `load` gives module, configuration and levels of a run."""

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from anomaly_lab.data.scoring_data import ScoringData, scoring_data
from anomaly_lab.errors import UserError
from anomaly_lab.model import Model
from anomaly_lab.networks import stored
from anomaly_lab.runs import images
from anomaly_lab.runs.checks import not_by_evidence
from anomaly_lab.runs.choices import by_name, resolved
from anomaly_lab.runs.directory import best_checkpoint, config_of, held_out_levels, require_run
from anomaly_lab.scored import preprocessing_of
from anomaly_lab.training.device import device_of, precision_of

log = logging.getLogger(__name__)
FUSION = "scorer.fusion."  # prefix of the evidence in the module's state


@dataclass(frozen=True)
class Trained:
    """A trained model: `module` is on its device, in evaluation mode. `levels`: the held-out images' rows of levels.csv."""

    run: Path
    module: Model
    config: DictConfig
    levels: list[dict[str, Any]]
    epoch: int
    step: int

    @property
    def threshold(self) -> float:
        """The run's threshold. UserError for a run without one."""
        found = float(self.module.threshold)
        if not math.isfinite(found):
            raise UserError(f"{self.run} has no threshold: let it finish with python -m anomaly_lab.train resume={self.run}")
        return found

    def data(self) -> ScoringData:
        """The images that the configuration names; the training's held-out ones again. UserError as in `scoring_data`."""
        data, known = self.config.data, images.read(self.run)
        reader: Any = OmegaConf.to_container(data.reader)
        preprocessing, name = preprocessing_of(self.module), self.config.category.name
        return scoring_data(reader, data.root, name, preprocessing, data.validation_share, self.config.seed, known)


def load(run: str | Path, config: DictConfig | None = None, changed: Collection[str] = ()) -> Trained:
    """Load the model of a finished run. UserError for a directory without one, a damaged checkpoint, or changes that don't fit.

    `config` (None: the run's own) may differ from the run's at the keys `changed`: scoring, min_area, calibration, data.
    """
    path = require_run(run)
    checkpoint = _checkpoint(path)
    own: Any = config_of(path) if config is None else config
    module = _rebuilt(checkpoint, own, changed)
    module.precision = precision_of(own.trainer.precision, own.trainer.accelerator)
    module = module.to(device_of(own.trainer.accelerator)).eval()
    return Trained(path, module, own, held_out_levels(path), checkpoint["epoch"], checkpoint["global_step"])


def save(path: Path, module: Model, epoch: int, step: int) -> None:
    """Write a checkpoint for `load`: plain data, without an optimiser. UserError if it can't be written."""
    weights = {name: value.cpu() for name, value in module.state_dict().items()}
    content = {"state_dict": weights, "hyper_parameters": dict(module.hparams), "epoch": epoch, "global_step": step}
    stored.save(content | {"pytorch-lightning_version": version("lightning")}, path)  # Lightning loads it too


def begin_with(module: Model, run: str | Path) -> None:
    """Give the module's network the weights of a finished run. UserError if that run has another network.

    Logs a warning if the run saw its images at another scale or contrast, or aligned otherwise.
    """
    checkpoint = _checkpoint(require_run(run))
    there, here = checkpoint["hyper_parameters"], module.hparams
    prefix = "network."
    weights = {name.removeprefix(prefix): v for name, v in checkpoint["state_dict"].items() if name.startswith(prefix)}
    try:
        module.network.load_state_dict(weights)
    except RuntimeError as error:
        names = f"{there['network'].get('name')}, not {here['network'].get('name')}"
        raise UserError(f"init={run}: the weights are of another network, model={names}: give the same model") from error
    for name in ("scale", "contrast", "align"):
        was, now = (hparams["preprocessing"].get(name, False) for hparams in (there, here))
        if was != now:
            log.warning("init=%s saw its images with %s %s, not %s: the weights may fit badly", run, name, was, now)


def _checkpoint(run: Path) -> dict[str, Any]:
    """The content of checkpoints/best.ckpt. UserError for a damaged file, or one that holds code."""
    path = best_checkpoint(run)
    try:
        found = stored.load(path)
        if not (isinstance(found["state_dict"], dict) and isinstance(found["hyper_parameters"], dict)):
            raise TypeError
        return {name: found[name] for name in ("state_dict", "hyper_parameters", "epoch", "global_step")}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"{path} is damaged or no checkpoint of a run ({error or type(error).__name__}): copy it again"
        ) from error


def _as_trained(records: Any, known: Any) -> Any:
    """The records, but those of evidence that the run has already as the run has them: a trained map keeps its arguments."""
    if not isinstance(records, list) or not isinstance(known, list):
        return records
    own = {record.get("name"): record for record in known}
    return [own.get(record.get("name"), record) for record in records]


def _evidence(module: Model, stored: dict[str, Any]) -> dict[str, Any]:
    """The state of the module's evidence: as stored, and for maps that the run did not have, as they begin.

    UserError for a map that only a training can make: untrained weights would give a heatmap of noise.
    """
    known: dict[str, Any] = {}
    for name, evidence in module.scorer.fusion.learnt.items():
        prefix = f"{FUSION}learnt.{name}."
        own = {key: value for key, value in stored.items() if key.startswith(prefix)}
        if not own and hasattr(evidence, "loss"):
            name = name.lower()
            raise UserError(
                f"scoring.evidence={name} learns in the training, but this run was trained without it: train again with "
                f"{name} in scoring.evidence"
            )
        if not own and hasattr(evidence, "begin"):
            evidence.begin(preprocessing_of(module).light)
        known |= own
    return {key: value for key, value in module.state_dict().items() if key.startswith(FUSION)} | known


def _rebuilt(checkpoint: dict[str, Any], config: DictConfig, changed: Collection[str]) -> Model:
    """The module of a checkpoint with the changed scoring, min_area and calibration. UserError if they don't fit the model."""
    weights = checkpoint["state_dict"]
    try:
        module = Model(**_settings(checkpoint["hyper_parameters"], config, changed))
        if "scoring.evidence" in changed:  # units, and what learns from held-out images, are learnt with the threshold
            weights = {k: v for k, v in weights.items() if not k.startswith(FUSION)}
            weights |= _evidence(module, checkpoint["state_dict"])
        module.load_state_dict(weights)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"another version of anomaly_lab made the run's checkpoint, train it again: {reason}") from error
    if "data.rescale" in changed:
        module.hparams["preprocessing"]["rescale"] = config.data.rescale
    if "category.min_area" in changed and config.category.min_area is not None:
        module.hparams["min_area"] = config.category.min_area
    if any(key.split(".")[0] == "calibration" for key in changed):
        module.hparams["calibration"] = OmegaConf.to_container(config.calibration)
    return module


def _settings(stored: dict[str, Any], config: DictConfig, changed: Collection[str]) -> dict[str, Any]:
    """The stored hyperparameters with the changed scoring. KeyError if one is missing."""
    hparams = dict(stored)
    scoring = hparams["scoring"] = dict(hparams["scoring"])
    for name in (n for n in ("evidence", "weights", "sigma", "tile", "pooling") if f"scoring.{n}" in changed):
        value = config.scoring[name]
        if name == "evidence" and by_name(scoring) and value != scoring["evidence"]:
            raise UserError(not_by_evidence(value, config.model.name, scoring.get("detector")))
        found = resolved(name, value, scoring)
        scoring[name] = _as_trained(found, scoring[name]) if name == "evidence" else found
    return hparams
