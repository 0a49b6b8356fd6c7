"""A training run, from its configuration to metrics.json: data → training → calibration → test."""

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.calibration.calibrate import calibrate
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.files import write_text
from anomaly_lab.model import Model
from anomaly_lab.module import AnomalyModule
from anomaly_lab.pipeline.assembly import check_calibration, datamodule, lightning_module
from anomaly_lab.pipeline.ending import end
from anomaly_lab.progress import bar, watched
from anomaly_lab.runs import directory as runs_directory
from anomaly_lab.runs import environment, images, lock, machine, resume
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.resume import State
from anomaly_lab.runs.trained import begin_with
from anomaly_lab.show import figures
from anomaly_lab.show import loggers as show_loggers
from anomaly_lab.show.gallery import publish, training_pairs
from anomaly_lab.show.panels import Panels
from anomaly_lab.show.screen import heading, print_start
from anomaly_lab.signals import INTERRUPTED
from anomaly_lab.training.checkpoints import LAST, SaveRegularly, newest
from anomaly_lab.training.made import require_known
from anomaly_lab.training.trainer import make_trainer, quiet

SHOWN = 6  # training pairs in figures/training_pairs.png


def run(config: DictConfig) -> tuple[float | None, bool]:
    """Train and test with `config` in Hydra's output directory.

    Returns the last validation proxy, and whether anything was done: a finished job of a multirun is not repeated.
    """
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    resuming = config.resume is not None
    if resuming:
        config = runs_directory.resumed_config(directory, config, hydra.overrides.task)
    check(config)
    require_known(config)
    if not resuming:
        OmegaConf.resolve(config)
        if config.init is not None:
            config.init = str(runs_directory.require_run(config.init).resolve())
    config.data.root = str(Path(config.data.root).expanduser().resolve())  # so that it can be resumed from any directory
    quiet()
    share = machine.share(hydra.launcher, machine.cores())
    with lock.held(directory):
        data = datamodule(config, share)
        prints = resume.fingerprints(config, data.fingerprint(), resuming)
        if resuming:
            resume.require_same_data(directory, prints)
            state = State.CUT_OFF
        else:
            state = resume.settle(directory, config, prints, runs_directory.in_multirun())
        if state is State.FINISHED:
            return (runs_directory.finished_metrics(directory) or {}).get("proxy_ap"), False
        machine.keep_freed_memory()
        machine.set_threads(resume.stored_threads(directory) if state is State.CUT_OFF else None, share)
        L.seed_everything(config.seed, workers=True, verbose=False)
        (directory / runs_directory.FAILURE).unlink(missing_ok=True)  # from an earlier attempt
        data.setup()  # before config.yaml is written: after a mistake in the data, the directory holds no run
        check_calibration(config, len(data.images.held_out))
        environment.write_environment(directory, prints, resuming=state is State.CUT_OFF)
        images.write(directory, images.of(data.images))
        # for a resumed run too, because neutral keys such as data.num_workers may differ
        write_text(directory / "config.yaml", OmegaConf.to_yaml(config))
        try:
            return train_and_test(config, data, directory, state is State.CUT_OFF), True
        except (KeyboardInterrupt, SystemExit):
            if runs_directory.in_multirun():
                raise KeyboardInterrupt from None  # this ends the multirun too, which says how to go on
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program is ending
            resume_here = shlex.quote(f"resume={directory}")
            print(f"error: stopped; continue with: python -m anomaly_lab.train {resume_here}", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None


def train_and_test(config: DictConfig, data: AnomalyDataModule, directory: Path, resuming: bool) -> float | None:
    """Fit, calibrate and test in `directory`. Returns the last validation proxy. The loggers are closed in any case."""
    module, title = lightning_module(config, data), heading(config)
    loggers = show_loggers.make_loggers(config, directory)
    try:
        trainer = make_trainer(config, directory, loggers, [Panels(title)])
        print_start(config, data, module, trainer, directory)
        show_loggers.begin(loggers, config)
        fit(config, trainer, module, data, directory, resuming)
        module.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU
        workers = min(1, data.num_workers)
        levels = calibrated(module, data.images, workers)
        timer: Any = next(c for c in trainer.callbacks if isinstance(c, Timer))  # type: ignore[attr-defined]
        training = {
            "steps": trainer.global_step,  # the weights are those of the last step
            "train_seconds": round(timer.time_elapsed(), 1),
            "device": str(trainer.strategy.root_device),
            "proxy_ap": float(module.last_proxy) if torch.isfinite(module.last_proxy) else None,
            "n_train": len(data.images.train),
            "train_size": data.train_size,  # side of the crops in pixels; 0: whole images
            "init": config.init,  # the run whose weights the training began with
        }
        end(config, directory, module, data.images, levels, trainer.current_epoch, training, loggers, workers)
        return training["proxy_ap"]  # type: ignore[return-value]
    finally:
        show_loggers.close(loggers)


def fit(
    config: DictConfig, trainer: L.Trainer, module: AnomalyModule, data: AnomalyDataModule, directory: Path, resuming: bool
) -> None:
    """Train; if `resuming`, from the last checkpoint. A module without weights to train is only validated."""
    history: Any = trainer.loggers[0]
    if not module.trainable:
        history.forget_after(-1)
        trainer.validate(module, datamodule=data, verbose=False)
        trainer.save_checkpoint(directory / "checkpoints" / LAST, weights_only=False)
        return
    start = resume_point(directory / "checkpoints", trainer.loggers) if resuming else None
    if config.init is not None and start is None:
        begin_with(module, config.init)
    folder, title = directory / "figures", heading(config)
    publish(training_pairs(data.training_pairs(SHOWN), title), "training_pairs", trainer.loggers, 0, folder)
    trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)  # a checkpoint holds no code
    publish(figures.history(history.rows, title), "history", trainer.loggers, trainer.global_step, folder)


def calibrated(
    module: Model, data: ScoringData, workers: int = 0, group: Callable[[Path], str] | None = None
) -> list[dict[str, Any]]:
    """`calibrate` with progress bars."""
    with bar("Learning what is normal") as update:
        return calibrate(module, data, workers, update, lambda scored, total: watched(scored, "Calibrating", total), group)


def resume_point(checkpoints: Path, loggers: list[Logger]) -> Path | None:
    """The checkpoint from which a run continues; None if there is none yet. Later rows of the history are deleted."""
    history: Any = loggers[0]
    found = newest(checkpoints)
    if found is None:
        history.forget_after(-1)
        return None
    path, checkpoint = found
    history.forget_after(checkpoint["global_step"])
    if values := SaveRegularly.values_in(checkpoint):
        history.log_metrics(values, checkpoint["global_step"] - 1)  # Lightning numbers steps from 0
    return path
