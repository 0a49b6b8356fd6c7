"""Score a trained run again: the same weights, but other images, another scoring or another threshold."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.errors import UserError
from anomaly_lab.files import write_json, write_text
from anomaly_lab.pipeline.assembly import check_calibration
from anomaly_lab.pipeline.ending import end
from anomaly_lab.pipeline.train import calibrated
from anomaly_lab.runs import changes, environment, images, lock
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.directory import best_checkpoint, config_of, finished_metrics, require_run
from anomaly_lab.runs.machine import keep_freed_memory
from anomaly_lab.runs.trained import load
from anomaly_lab.show.screen import print_source
from anomaly_lab.training.trainer import quiet

log = logging.getLogger(__name__)
OF_TRAINING = ("train_seconds", "proxy_ap", "n_train", "train_size", "init")  # copied from the run's metrics.json


def evaluate(given: DictConfig) -> None:
    """Score the run `given.run` again with the changes in `given`, and write to Hydra's output directory."""
    hydra = HydraConfig.get()
    directory, source = Path(hydra.runtime.output_dir), require_run(given.run).resolve()
    changed = changes.changes(hydra.overrides.task)
    stored = config_of(source)
    try:
        check(stored)
    except UserError as error:
        raise UserError(f"{source / 'config.yaml'}: {error}") from error
    config = changes.overlaid(stored, given, changed)
    check(config)
    changes.require_new(directory, source, changed)  # again, since Hydra calls the guard once for a whole multirun
    with lock.held(directory):
        evaluate_in(directory, source, config, changed)


def evaluate_in(directory: Path, source: Path, config: DictConfig, changed: Mapping[str, str]) -> None:
    """Score the run in `source` with `config`, which has the changes `changed` (key → override)."""
    quiet()
    keep_freed_memory()
    L.seed_everything(config.seed, workers=True, verbose=False)
    trained = load(source, config, changed)
    data = trained.data()
    if not data.test:
        raise UserError(f"{data.found.root} has no image to score: put images into its folder test/<kind>, not deeper")
    decisive = any(key.split(".")[0] in changes.DECISIVE for key in changed)
    anew = decisive or not bool(torch.isfinite(trained.module.threshold))
    if anew:
        require_normal_images(data, source)
        check_calibration(config, len(data.held_out))
    origin = record(source, changes.told(changed))
    write_json(directory / changes.RECORD, origin)  # first, to recognise an evaluation that is cut off
    write_text(directory / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    write_json(directory / "environment.json", environment.environment())
    images.write(directory, images.read(source), images.of(data) if anew else None)
    print_source(origin, config.data.name, data, anew, directory)
    levels = calibrated(trained.module, data) if anew else trained.levels
    metrics = finished_metrics(source) or {}
    of_training = {name: metrics.get(name) for name in OF_TRAINING} | {
        "steps": trained.step,
        "device": str(trained.module.device),
        "source_run": str(source),
        "trained_on": config_of(source).data.name,
        "threshold_from": str(data.found.root) if anew else str(source),
    }
    if not anew and (calibrated_on := changes.calibrated_on(source)):
        of_training["calibrated_on"] = calibrated_on
    end(config, directory, trained.module, data, levels, trained.epoch, of_training)


def require_normal_images(data: ScoringData, source: Path) -> None:
    """UserError if there are no images for a calibration."""
    if not data.held_out:
        lacks = "only normal images that the network has learnt from" if data.found.train else "no two normal images"
        raise UserError(
            f"{data.found.root / 'train' / 'good'} holds {lacks}, but the threshold must be calibrated anew: add "
            f"normal images, or leave scoring, min_area and calibration as they are in {source}"
        )


def record(source: Path, changed: list[str]) -> dict[str, Any]:
    """The content of source.json: the run, whether it has finished, a digest of its weights, and the changes."""
    finished = (source / "metrics.json").is_file()
    if not finished:
        log.warning("%s has not finished: the weights of its checkpoint are scored", source)
    digest = hashlib.sha256(best_checkpoint(source).read_bytes()).hexdigest()
    return {"run": str(source), "finished": finished, "checkpoint_sha256": digest, "changed": changed}
