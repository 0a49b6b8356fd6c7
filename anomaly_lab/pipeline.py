"""One run, from its configuration to metrics.json: data → training → calibration → test → records."""

import sys
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import figures, run_directory
from anomaly_lab.assembly import MONITOR, datamodule, lightning_module, make_loggers, make_trainer, quiet
from anomaly_lab.atomic import write_text
from anomaly_lab.callbacks import AtomicCheckpointIO
from anomaly_lab.configuration import check
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.errors import UserError
from anomaly_lab.evaluation import TestResults, calibrate
from anomaly_lab.gallery import Gallery
from anomaly_lab.module import AnomalyModule
from anomaly_lab.summary import print_metrics, print_start

FIT = 16  # training images that the normal error is learnt from: 16 of 512² hold 10⁵ places, more change nothing


def run(config: DictConfig) -> float | None:
    """Train and test as `config` says, in Hydra's output directory; returns the best validation proxy."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    resuming = config.resume is not None
    if resuming:
        others = [o for o in HydraConfig.get().overrides.task if not o.startswith("resume=")]
        if others:
            raise UserError(f"resume goes on with the configuration stored in the run: leave out {' '.join(others)}")
        config = run_directory.stored_config(directory)
    check(config)
    if not resuming:
        OmegaConf.resolve(config)
        config.data.root = str(Path(config.data.root).expanduser().resolve())  # to be resumed from any directory
    quiet()
    L.seed_everything(config.seed, workers=True, verbose=False)
    data = datamodule(config)
    data.prepare_data()
    data.setup()
    # held only now: a mistake in the data leaves no directory that looks like a run
    with run_directory.held(directory, new=not resuming):
        if not resuming:
            write_text(directory / "config.yaml", OmegaConf.to_yaml(config))
        run_directory.write_environment(directory)
        return train_and_test(config, data, directory, resuming)


def train_and_test(config: DictConfig, data: AnomalyDataModule, directory: Path, resuming: bool) -> float | None:
    """Fit, calibrate and test in `directory`, and end every logger whatever happens."""
    module = lightning_module(config, data)
    loggers = make_loggers(config, directory)
    title = f"{config.data.name} {config.category.name}, {config.objective.name}"
    results = TestResults(directory, data.test, data.found.root, config.test.save_heatmaps)  # type: ignore[union-attr]
    gallery = Gallery(directory, title, data.test)
    trainer = make_trainer(config, directory, loggers, [results, gallery])
    print_start(config, data, module, trainer, directory)
    last = directory / "checkpoints" / "last.ckpt"
    try:
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(config))  # type: ignore[arg-type]
        start = resume_point(last, loggers) if resuming else None
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)  # a checkpoint is data, never code
        gallery.publish(trainer, "history", figures.history(loggers[0].rows, title))  # type: ignore[attr-defined]
        return finish(config, trainer, module, data, results, directory)
    except (KeyboardInterrupt, SystemExit):
        print(f"error: stopped; continue with: python -m anomaly_lab.train resume={directory}", file=sys.stderr)
        raise SystemExit(1) from None  # of a multirun too
    finally:
        close(loggers)


def resume_point(last: Path, loggers: list[Logger]) -> Path | None:
    """The checkpoint to go on from, None where the run ended before its first; the history after it is forgotten."""
    history: Any = loggers[0]
    if not last.is_file():
        history.forget_after(-1)
        return None
    history.forget_after(torch.load(last, map_location="cpu", weights_only=True)["global_step"])
    return last


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
    module.fit_residuals(data.clean_images(FIT))
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
        "stored_size": round(data.image_size / data.preprocessing.scale),
        "steps": steps,
        "train_seconds": round(seconds, 1),
        "device": str(trainer.strategy.root_device),
        **results.metrics,
        "threshold": float(module.threshold),
        "min_area": module.hparams["min_area"],
        "score_pooling": module.hparams["scoring"]["pooling"],
        "error": module.hparams["scoring"]["error"],
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
