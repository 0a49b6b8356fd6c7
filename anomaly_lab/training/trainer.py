"""Lightning's Trainer as this project uses it."""

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.scoring.forward import AUTOCAST
from anomaly_lab.training.callbacks import SeedEachStep, StopOnDivergence
from anomaly_lab.training.checkpoints import AtomicCheckpointIO, SaveOnInterrupt, SaveRegularly
from anomaly_lab.training.progress_bar import TrainingProgress


def make_trainer(config: DictConfig, directory: Path, loggers: list[Logger], extra: list[Callback]) -> L.Trainer:
    """Lightning's Trainer with this project's callbacks and those that the group `callbacks` adds."""
    options: Any = OmegaConf.to_container(config.trainer, resolve=True)
    options.pop("compile", None)  # of the network, see lightning_module
    options["precision"] = precision_of(options["precision"], options["accelerator"])
    common: Any = {"dirpath": directory / "checkpoints", "enable_version_counter": False}  # files are written over atomically
    last = ModelCheckpoint(filename="last", **common)  # each epoch's; save_last=True would only follow a new best
    saving = SaveRegularly(config.checkpoint_minutes)
    ours = [TrainingProgress(), SeedEachStep(config.seed), StopOnDivergence(), saving, SaveOnInterrupt(saving)]
    try:
        callbacks = [instantiate(c) for c in (config.callbacks or {}).values() if c is not None]
    except InstantiationException as error:
        raise UserError(f"callbacks: {' '.join(str(error.__cause__ or error).split())}") from error
    if options["max_time"] is None:
        callbacks.append(Timer())  # counts the seconds, across resumes; with max_time Lightning adds one itself
    try:
        return L.Trainer(
            **options,
            default_root_dir=directory,
            logger=loggers,
            callbacks=[*ours, last, *callbacks, *extra],
            plugins=[AtomicCheckpointIO(), LightningEnvironment()],  # a queue's environment would start processes
            use_distributed_sampler=False,  # the batches are ours
        )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise UserError(f"trainer: {' '.join(str(error).split())}") from error


def device_of(accelerator: str) -> torch.device:
    """The one device that trainer.accelerator names. UserError where it isn't there."""
    try:
        return L.Fabric(accelerator=accelerator, devices=1).device
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise UserError(f"trainer.accelerator is {accelerator}: {' '.join(str(error).split())}") from error


def precision_of(precision: str, accelerator: str) -> str:
    """trainer.precision, with "auto" resolved for the accelerator. UserError for one that scoring can't compute with."""
    found = best_precision(accelerator) if precision == "auto" else str(precision)
    if found not in AUTOCAST:
        raise UserError(f"trainer.precision is {found}: it must be one of auto, {', '.join(AUTOCAST)}")
    return found


def best_precision(accelerator: str) -> str:
    """bf16 where the processor computes with it, else float32: on others bf16 is emulated, several times slower."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available())
    return "bf16-mixed" if on_cpu and torch.cpu._is_avx512_bf16_supported() else "32-true"


def quiet() -> None:
    """Silence what Lightning says about choices that are made on purpose here."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers which may be a bottleneck.*",  # validation and test load one image at a time
        r".*Checkpoint directory .* exists and is not empty.*",  # a resumed run
        r".*number of training batches \(\d+\) is smaller than the logging interval.*",
        r".*Experiment logs directory .* exists.*",
        r".*It is recommended to use .self.log\(.*sync_dist=True.*",  # the metrics are pooled, or are the first process's
        r".isinstance\(treespec, LeafSpec\). is deprecated",  # Lightning 2.6 on torch 2.13, theirs to mend
        r"You're resuming from a checkpoint that ended before the epoch ended.*",  # our batches go on where they were
    ):
        warnings.filterwarnings("ignore", message=message)
