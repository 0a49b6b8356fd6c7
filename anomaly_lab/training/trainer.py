"""Lightning's Trainer with this project's callbacks, device and precision."""

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning as L
from hydra.errors import InstantiationException
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.training.callbacks import SeedEachStep, StopOnDivergence
from anomaly_lab.training.checkpoints import AtomicCheckpointIO, SaveOnInterrupt, SaveRegularly
from anomaly_lab.training.device import precision_of
from anomaly_lab.training.made import made
from anomaly_lab.training.progress_bar import TrainingProgress


def make_trainer(config: DictConfig, directory: Path, loggers: list[Logger], extra: list[Callback]) -> L.Trainer:
    """The Trainer of a run, with this project's callbacks, those of the group `callbacks`, and `extra`.

    UserError for arguments that Lightning or a callback refuses.
    """
    options: Any = OmegaConf.to_container(config.trainer, resolve=True)
    options.pop("compile", None)  # an option of the network: see pipeline/assembly.py
    options["precision"] = precision_of(options["precision"], options["accelerator"])
    common: Any = {"dirpath": directory / "checkpoints", "enable_version_counter": False}  # a file is replaced as a whole
    last = ModelCheckpoint(filename="last", **common)  # after each epoch; save_last=True would wait for a better epoch
    saving = SaveRegularly(config.checkpoint_minutes)
    ours = [TrainingProgress(), SeedEachStep(config.seed), StopOnDivergence(), saving, SaveOnInterrupt(saving)]
    try:
        callbacks = [made("callbacks", k, c) for k, c in (config.get("callbacks") or {}).items() if c is not None]
    except InstantiationException as error:
        raise UserError(f"callbacks: {' '.join(str(error.__cause__ or error).split())}") from error
    if options["max_time"] is None:
        callbacks.append(Timer())  # counts the seconds, over resumes too; with max_time Lightning adds a Timer
    try:
        return L.Trainer(
            **options,
            default_root_dir=directory,
            logger=loggers,
            callbacks=[*ours, last, *callbacks, *extra],
            plugins=[AtomicCheckpointIO(), LightningEnvironment()],  # SLURM's would start processes
            use_distributed_sampler=False,  # data/pairs.py makes the batches
        )
    except (MisconfigurationException, ImportError, TypeError, ValueError) as error:
        raise UserError(f"trainer: {' '.join(str(error).split())}") from error


def quiet() -> None:
    """Silence Lightning's remarks on choices that are made on purpose."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers which may be a bottleneck.*",  # the validation loads one image at a time
        r".*Checkpoint directory .* exists and is not empty.*",  # a resumed run
        r".*number of training batches \(\d+\) is smaller than the logging interval.*",
        r".isinstance\(treespec, LeafSpec\). is deprecated",  # a fault of Lightning 2.6 with torch 2.13
        r"You're resuming from a checkpoint that ended before the epoch ended.*",  # our batches continue within an epoch
    ):
        warnings.filterwarnings("ignore", message=message)
