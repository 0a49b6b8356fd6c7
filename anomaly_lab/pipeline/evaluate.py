"""A trained run scored again: other images, smoothing, pooling or threshold, the same weights, a directory of its own."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import files
from anomaly_lab.calibration.calibrate import calibrate
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import ScoringData, scoring_data
from anomaly_lab.errors import UserError
from anomaly_lab.files import write_text
from anomaly_lab.module import AnomalyModule
from anomaly_lab.pipeline.assembly import check_calibration
from anomaly_lab.results import TestResults, metrics_record, run_test
from anomaly_lab.runs import changes, environment, lock, trained
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.machine import keep_freed_memory
from anomaly_lab.runs.trained import rebuilt, stored_levels
from anomaly_lab.show.gallery import Gallery
from anomaly_lab.show.screen import heading, print_metrics, print_source
from anomaly_lab.training.checkpoints import AtomicCheckpointIO
from anomaly_lab.training.trainer import make_tester, quiet

log = logging.getLogger(__name__)


def evaluate(given: DictConfig) -> None:
    """Score `given.run` again as `given` says, in Hydra's output directory. The run itself is only read."""
    hydra = HydraConfig.get()
    directory, source = Path(hydra.runtime.output_dir), trained.require_run(given.run).resolve()
    keys = changes.changed_keys(hydra.overrides.task)
    config = changes.overlaid(OmegaConf.load(source / "config.yaml"), given, keys)
    check(config)
    changed = changes.changes(hydra.overrides.task, keys)
    changes.require_new(directory, source, changed)  # of a multirun's jobs Hydra tells nobody before
    with lock.held(directory):
        evaluate_in(directory, source, config, keys, changed)


def evaluate_in(directory: Path, source: Path, config: DictConfig, keys: list[str], changed: list[str]) -> None:
    """Score the run in `source` as `config` says; `keys` are what the overrides in `changed` have changed."""
    quiet()
    keep_freed_memory()
    L.seed_everything(config.seed, workers=True, verbose=False)
    checkpoint = trained.load_checkpoint(source)
    module = rebuilt(checkpoint, config, keys)
    preprocessing = Preprocessing(**module.hparams["preprocessing"])
    share, levels = config.data.validation_share, stored_levels(source)
    held_out = {row["path"] for row in levels}
    data = scoring_data(config.data.name, config.data.root, config.category.name, preprocessing, share, config.seed, held_out)
    anew = not bool(torch.isfinite(module.threshold)) or any(key.split(".")[0] in changes.DECISIVE for key in keys)
    if anew:
        require_normal_images(data, source)
        check_calibration(config, len(data.held_out))
    title = heading(config)
    results = TestResults(directory, data.test, data.found.root, config.test.save_heatmaps)
    trainer = make_tester(config, directory, [results, Gallery(directory, title, data.test)])
    origin = record(source, changed)
    files.write_json(directory / changes.RECORD, origin)  # first: cut off, it is known for what it is
    write_text(directory / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    files.write_json(directory / "environment.json", environment.environment())
    print_source(origin, config.data.name, data, anew, directory)
    results.levels += calibrate(trainer, module, data) if anew else levels
    score(config, trainer, module, data, results, checkpoint, source, anew)


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
    AtomicCheckpointIO().save_checkpoint(kept, trained.best_checkpoint(results.run))
    run_test(trainer, module, data, results)
    finished = trained.finished_metrics(source)
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


def record(source: Path, changed: list[str]) -> dict[str, Any]:
    """source.json: which run, whether it had finished, which weights, and what was changed."""
    finished = (source / "metrics.json").is_file()
    if not finished:
        log.warning("%s has not finished: the last weights that it kept are scored", source)
    digest = hashlib.sha256(trained.best_checkpoint(source).read_bytes()).hexdigest()
    return {"run": str(source), "finished": finished, "checkpoint_sha256": digest, "changed": changed}
