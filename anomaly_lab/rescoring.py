"""A trained run scored again: other images, smoothing, pooling or threshold, the same weights, a directory of its own."""

import csv
import hashlib
import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import files, run_directory, source_run
from anomaly_lab.allocator import keep_freed_memory
from anomaly_lab.assembly import check_calibration, make_tester, quiet
from anomaly_lab.calibration.calibrate import calibrate
from anomaly_lab.checkpoints import AtomicCheckpointIO
from anomaly_lab.configuration import check, heading, not_by_error
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import ScoringData, scoring_data
from anomaly_lab.errors import UserError
from anomaly_lab.evaluation import TestResults, run_test
from anomaly_lab.files import write_text
from anomaly_lab.gallery import Gallery
from anomaly_lab.module import AnomalyModule
from anomaly_lab.outcome import metrics_record
from anomaly_lab.summary import print_metrics, print_source

NORMAL_ERROR = "scorer.residuals."  # its part of the module's state

log = logging.getLogger(__name__)


def evaluate(given: DictConfig) -> None:
    """Score `given.run` again as `given` says, in Hydra's output directory. The run itself is only read."""
    hydra = HydraConfig.get()
    directory, source = Path(hydra.runtime.output_dir), source_run.require_run(given.run).resolve()
    keys = source_run.changed_keys(hydra.overrides.task)
    config = source_run.overlaid(OmegaConf.load(source / "config.yaml"), given, keys)
    check(config)
    changed = source_run.changes(hydra.overrides.task, keys)
    source_run.require_new(directory, source, changed)  # of a multirun's jobs Hydra tells nobody before
    with run_directory.held(directory):
        evaluate_in(directory, source, config, keys, changed)


def evaluate_in(directory: Path, source: Path, config: DictConfig, keys: list[str], changed: list[str]) -> None:
    """Score the run in `source` as `config` says; `keys` are what the overrides in `changed` have changed."""
    quiet()
    keep_freed_memory()
    L.seed_everything(config.seed, workers=True, verbose=False)
    checkpoint = source_run.load_checkpoint(source)
    module = rebuilt(checkpoint, config, keys)
    preprocessing = Preprocessing(**module.hparams["preprocessing"])
    share, levels = config.data.validation_share, stored_levels(source)
    held_out = {row["path"] for row in levels}
    data = scoring_data(config.data.name, config.data.root, config.category.name, preprocessing, share, config.seed, held_out)
    anew = not bool(torch.isfinite(module.threshold)) or any(key.split(".")[0] in source_run.DECISIVE for key in keys)
    if anew:
        require_normal_images(data, source)
        check_calibration(config, len(data.held_out))
    title = heading(config)
    results = TestResults(directory, data.test, data.found.root, config.test.save_heatmaps)
    trainer = make_tester(config, directory, [results, Gallery(directory, title, data.test)])
    origin = record(source, changed)
    files.write_json(directory / source_run.RECORD, origin)  # first: cut off, it is known for what it is
    write_text(directory / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    files.write_json(directory / "environment.json", run_directory.environment())
    print_source(origin, config.data.name, data, anew, directory)
    results.levels += calibrate(trainer, module, data) if anew else levels
    score(config, trainer, module, data, results, checkpoint, source, anew)


def rebuilt(checkpoint: dict[str, Any], config: DictConfig, keys: list[str]) -> AnomalyModule:
    """The module of a checkpoint with the changed scoring, min_area and rule. UserError where they don't belong together."""
    hparams = dict(checkpoint["hyper_parameters"])
    hparams["scoring"] = dict(hparams["scoring"])
    for name in ("error", "sigma", "tile", "pooling"):
        if f"scoring.{name}" in keys:
            value = config.scoring[name]
            if value == "train_size":
                value = hparams["scoring"]["train_size"]
            hparams["scoring"][name] = value
    if hparams["scoring"].get("detector") and hparams["scoring"]["error"] != checkpoint["hyper_parameters"]["scoring"]["error"]:
        raise UserError(not_by_error(config.scoring.error, config.model.name))
    weights = checkpoint["state_dict"]
    try:
        module = AnomalyModule(**hparams)
        if "scoring.error" in keys:  # what error is normal is learnt anew with the threshold, or not needed any more
            fresh = module.state_dict()
            weights = {k: v for k, v in weights.items() if not k.startswith(NORMAL_ERROR)}
            weights |= {k: v for k, v in fresh.items() if k.startswith(NORMAL_ERROR)}
        module.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"the run's checkpoint is of another version of anomaly_lab: {' '.join(str(error).split())}") from error
    if "category.min_area" in keys and config.category.min_area is not None:
        module.hparams["min_area"] = config.category.min_area
    if any(key.split(".")[0] == "calibration" for key in keys):
        module.hparams["calibration"] = OmegaConf.to_container(config.calibration)
    return module


def require_normal_images(data: ScoringData, source: Path) -> None:
    """UserError where there is nothing to calibrate on."""
    if not data.held_out:
        raise UserError(
            f"{data.found.root / 'train' / 'good'} holds no two normal images, and the threshold is to be calibrated anew on "
            f"some of them: leave scoring, min_area and calibration as they are in {source}, or add normal images"
        )


def score(
    config: DictConfig,
    trainer: L.Trainer,
    module: AnomalyModule,
    data: ScoringData,
    results: TestResults,
    checkpoint: dict[str, Any],
    source: Path,
    anew: bool,
) -> None:
    """Write the checkpoint with its threshold, test, and write metrics.json, last of all: it says that the evaluation has
    finished."""
    weights = {k: v.cpu() for k, v in module.state_dict().items()}
    kept = checkpoint | {"state_dict": weights, "hyper_parameters": dict(module.hparams)}
    AtomicCheckpointIO().save_checkpoint(kept, source_run.best_checkpoint(results.run))
    run_test(trainer, module, data, results)
    finished = source_run.finished_metrics(source)
    of_training = ("steps", "train_seconds", "proxy_ap", "selection", "n_train", "train_size")
    training = {name: (finished or {}).get(name) for name in of_training}
    training |= {"device": str(trainer.strategy.root_device), "selected_step": checkpoint["global_step"]}
    metrics = metrics_record(config, module, data, results, training)
    metrics["source_run"] = str(source)
    metrics["trained_on"] = OmegaConf.load(source / "config.yaml").data.name
    metrics["threshold_from"] = str(data.found.root) if anew else str(source)
    if not anew and finished is not None:
        metrics["n_validation"] = finished["n_validation"]
    files.write_json(results.run / "metrics.json", metrics)
    print_metrics(metrics, results.run)


def stored_levels(source: Path) -> list[dict[str, Any]]:
    """The rows of the run's levels.csv for its held-out images: they hold where neither scoring nor min_area has changed."""
    path = source / "levels.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "validation"]


def record(source: Path, changed: list[str]) -> dict[str, Any]:
    """source.json: which run, whether it had finished, which weights, and what was changed."""
    finished = (source / "metrics.json").is_file()
    if not finished:
        log.warning("%s has not finished: the last weights that it kept are scored", source)
    digest = hashlib.sha256(source_run.best_checkpoint(source).read_bytes()).hexdigest()
    return {"run": str(source), "finished": finished, "checkpoint_sha256": digest, "changed": changed}
