"""A trained run scored again: other images, scoring or threshold; the same weights; a directory of its own."""

import hashlib
import logging
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
from anomaly_lab.runs import changes, environment, lock
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.finished import best_checkpoint, finished_metrics, require_run
from anomaly_lab.runs.machine import keep_freed_memory
from anomaly_lab.runs.trained import load
from anomaly_lab.show.screen import print_source
from anomaly_lab.training.trainer import quiet

log = logging.getLogger(__name__)
OF_TRAINING = ("train_seconds", "proxy_ap", "n_train", "train_size")  # taken over from the run's metrics.json


def evaluate(given: DictConfig) -> None:
    """Score `given.run` again as `given` says, in Hydra's output directory. The run itself is only read."""
    hydra = HydraConfig.get()
    directory, source = Path(hydra.runtime.output_dir), require_run(given.run).resolve()
    keys = changes.changed_keys(hydra.overrides.task)
    config = changes.overlaid(OmegaConf.load(source / "config.yaml"), given, keys)
    check(config)
    changed = changes.changes(hydra.overrides.task, keys)
    changes.require_new(directory, source, changed)  # Hydra calls the guard for a multirun as a whole, not for its jobs
    with lock.held(directory):
        evaluate_in(directory, source, config, keys, changed)


def evaluate_in(directory: Path, source: Path, config: DictConfig, keys: list[str], changed: list[str]) -> None:
    """Score the run in `source` as `config` says; `keys` are what the overrides in `changed` have changed."""
    quiet()
    keep_freed_memory()
    L.seed_everything(config.seed, workers=True, verbose=False)
    trained = load(source, config, keys)
    data = trained.data()
    anew = not bool(torch.isfinite(trained.module.threshold)) or any(key.split(".")[0] in changes.DECISIVE for key in keys)
    if anew:
        require_normal_images(data, source)
        check_calibration(config, len(data.held_out))
    origin = record(source, changed)
    write_json(directory / changes.RECORD, origin)  # first: cut off, it is known for what it is
    write_text(directory / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    write_json(directory / "environment.json", environment.environment())
    print_source(origin, config.data.name, data, anew, directory)
    levels = calibrated(trained.module, data) if anew else trained.levels
    finished = finished_metrics(source) or {}
    of_training = {name: finished.get(name) for name in OF_TRAINING} | {
        "steps": trained.step,
        "device": str(trained.module.device),
        "source_run": str(source),
        "trained_on": OmegaConf.load(source / "config.yaml").data.name,
        "threshold_from": str(data.found.root) if anew else str(source),
    }
    end(config, directory, trained.module, data, levels, trained.epoch, of_training)


def require_normal_images(data: ScoringData, source: Path) -> None:
    """UserError where there is nothing to calibrate on."""
    if not data.held_out:
        raise UserError(
            f"{data.found.root / 'train' / 'good'} holds no two normal images, and the threshold is to be calibrated anew on "
            f"some of them: leave scoring, min_area and calibration as they are in {source}, or add normal images"
        )


def record(source: Path, changed: list[str]) -> dict[str, Any]:
    """source.json: which run, whether it had finished, which weights, and what was changed."""
    finished = (source / "metrics.json").is_file()
    if not finished:
        log.warning("%s has not finished: the last weights that it kept are scored", source)
    digest = hashlib.sha256(best_checkpoint(source).read_bytes()).hexdigest()
    return {"run": str(source), "finished": finished, "checkpoint_sha256": digest, "changed": changed}
