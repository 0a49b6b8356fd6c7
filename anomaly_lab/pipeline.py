"""One run, from its configuration to metrics.json: data → training → calibration → test → records."""

import json
import sys
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import continuation, distributed, figures, launchers, run_directory
from anomaly_lab.assembly import MONITOR, datamodule, lightning_module, make_loggers, make_trainer, quiet
from anomaly_lab.atomic import write_text
from anomaly_lab.checkpoints import AtomicCheckpointIO, SaveRegularly, newest
from anomaly_lab.configuration import check
from anomaly_lab.continuation import State
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.evaluation import TestResults, calibrate
from anomaly_lab.gallery import Gallery
from anomaly_lab.module import AnomalyModule
from anomaly_lab.summary import print_metrics, print_start


def run(config: DictConfig) -> tuple[float | None, bool]:
    """Train and test as `config` says, in Hydra's output directory. Returns the best validation proxy, and whether anything
    was done: a job of a multirun that has finished before is left as it is."""
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    in_sweep = not OmegaConf.is_missing(hydra.job, "num")
    resuming = config.resume is not None
    if resuming:
        config = run_directory.resumed_config(directory, config, hydra.overrides.task)
    check(config)
    if not resuming:
        OmegaConf.resolve(config)
        config.data.root = str(Path(config.data.root).expanduser().resolve())  # to be resumed from any directory
    quiet()
    share = launchers.share(hydra.launcher, launchers.cores())
    with run_directory.held(directory) as lock:
        data = datamodule(config, share)
        prints = continuation.fingerprints(config, data.fingerprint())
        if resuming:
            continuation.require_same_data(directory, prints)
            state = State.CUT_OFF
        else:
            state = continuation.state(directory, config, prints, in_sweep)
        if state is State.FINISHED:
            return json.loads((directory / "metrics.json").read_text(encoding="utf-8")).get("proxy_ap"), False
        launchers.set_threads(continuation.stored_threads(directory) if state is State.CUT_OFF else None, share)
        L.seed_everything(config.seed, workers=True, verbose=False)
        (directory / run_directory.FAILURE).unlink(missing_ok=True)  # of an attempt before this one
        data.setup()  # before config.yaml: a mistake in the data leaves no directory that looks like a run
        run_directory.write_environment(directory, prints, resuming=state is State.CUT_OFF)
        if state is State.NEW:
            write_text(directory / "config.yaml", OmegaConf.to_yaml(config))
        try:
            return train_and_test(config, data, directory, state is State.CUT_OFF, lock), True
        except (KeyboardInterrupt, SystemExit):
            print(f"error: stopped; continue with: python -m anomaly_lab.train resume={directory}", file=sys.stderr)
            raise SystemExit(1) from None  # of a multirun too


def train_share(config: DictConfig, directory: Path, threads: int) -> None:
    """What one of several processes does for the run in `directory`: its share of the training, up to the last checkpoint."""
    quiet()
    launchers.set_threads(None, threads)
    L.seed_everything(config.seed, workers=True, verbose=False)
    data = datamodule(config, threads)
    data.setup()
    loggers = make_loggers(config, directory)
    try:
        fit(config, make_trainer(config, directory, loggers, []), lightning_module(config, data), data, directory, True)
    finally:
        close(loggers)


def fit(
    config: DictConfig, trainer: L.Trainer, module: AnomalyModule, data: AnomalyDataModule, directory: Path, resuming: bool
) -> None:
    """Train, from the last checkpoint on where `resuming`."""
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(config))  # type: ignore[arg-type]
    start = resume_point(directory / "checkpoints", trainer.loggers) if resuming else None
    trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)  # a checkpoint is data, never code


def train_and_test(config: DictConfig, data: AnomalyDataModule, directory: Path, resuming: bool, lock: int) -> float | None:
    """Fit, calibrate and test in `directory`, whose lock is the open file `lock`; end every logger whatever happens."""
    module, one = lightning_module(config, data), distributed.alone(config)
    print_start(config, data, module, make_trainer(one, directory, [], []), directory)
    if (processes := distributed.count(config)) > 1:
        distributed.train(directory, processes, lock)
        config, resuming = one, True  # from here on as where the training's end had been reached before
    loggers = make_loggers(config, directory)
    title = f"{config.data.name} {config.category.name}, {config.objective.name}"
    results = TestResults(directory, data.test, data.found.root, config.test.save_heatmaps)  # type: ignore[union-attr]
    gallery = Gallery(directory, title, data.test)
    trainer = make_trainer(config, directory, loggers, [results, gallery])
    try:
        fit(config, trainer, module, data, directory, resuming)
        gallery.publish(trainer, "history", figures.history(loggers[0].rows, title))  # type: ignore[attr-defined]
        return finish(config, trainer, module, data, results, directory)
    finally:
        close(loggers)


def resume_point(checkpoints: Path, loggers: list[Logger]) -> Path | None:
    """The checkpoint to go on from, None where the run ended before its first; the history after it is forgotten."""
    history: Any = loggers[0]
    found = newest(checkpoints)
    if found is None:
        history.forget_after(-1)
        return None
    path, checkpoint = found
    step = checkpoint["global_step"]
    history.forget_after(step)
    if figures := SaveRegularly.figures_in(checkpoint):
        history.log_metrics(figures, step - 1)  # as Lightning counts: the first step is number 0
    return path


def finish(
    config: DictConfig,
    trainer: L.Trainer,
    module: AnomalyModule,
    data: AnomalyDataModule,
    results: TestResults,
    directory: Path,
) -> float | None:
    """Take the best weights, calibrate, test, and write metrics.json, last of all: it says that the run has finished."""
    checkpoints: Any = trainer.checkpoint_callback
    timer: Any = next(c for c in trainer.callbacks if isinstance(c, Timer))  # type: ignore[attr-defined]
    steps, seconds = trainer.global_step, timer.time_elapsed()
    best = Path(checkpoints.best_model_path) if checkpoints.best_model_path else None
    if best is not None:
        kept = torch.load(best, map_location="cpu", weights_only=True)
        module.load_state_dict(kept["state_dict"])
    calibrate(trainer, module, data)
    if best is not None:
        kept["state_dict"] = {k: v.cpu() for k, v in module.state_dict().items()}
        AtomicCheckpointIO().save_checkpoint(kept, best)  # now with the threshold
    if data.test:
        trainer.test(module, dataloaders=data.test_dataloader(), verbose=False)
    else:
        results.conclude()  # Lightning calls no hook of a test without images
    proxy = None if checkpoints.best_model_score is None else float(checkpoints.best_model_score)
    metrics = {
        "data": config.data.name,
        "category": config.category.name,
        "objective": config.objective.name,
        "lam": config.objective.get("lam"),
        "corruption": config.corruption.name,
        "model": config.model.name,
        "seed": config.seed,
        "image_size": data.image_size,
        "steps": steps,
        "train_seconds": round(seconds, 1),
        "device": str(trainer.strategy.root_device),
        **results.metrics,
        "threshold": float(module.threshold),
        "min_area": module.hparams["min_area"],
        "score_pooling": module.hparams["scoring"]["pooling"],
        "sigma": module.hparams["scoring"]["sigma"],
        "proxy_ap": proxy,
        "selected_step": kept["global_step"] if best is not None else steps,
        "selection": f"highest {MONITOR} on held-out normal images with synthetic corruptions",
        "n_train": len(data.train_images),
        "n_validation": len(data.held_out),
        "n_test": len(data.test),
    }
    for logger in trainer.loggers:
        logger.log_metrics({f"test/{k}": v for k, v in results.metrics.items() if v is not None}, steps)
    run_directory.write_json(directory / "metrics.json", metrics)
    print_metrics(metrics, directory)
    return proxy


def close(loggers: list[Logger]) -> None:
    """Each logger ends exactly once, whatever happened: an open W&B run would swallow the next job of a multirun."""
    for logger in loggers:
        logger.finalize("finished")
        if type(logger).__name__ == "WandbLogger":
            import wandb

            wandb.finish()
