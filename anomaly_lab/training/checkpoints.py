"""Checkpoints: written whole, often enough, and so that a training that was killed at any moment goes on exactly.

checkpoints/last.ckpt is the newest, previous.ckpt the one before: what remains should the newest be damaged.
"""

import logging
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from anomaly_lab.errors import UserError
from anomaly_lab.files import replacing

log = logging.getLogger(__name__)
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints are there whole or not at all: a kill or a full disk while writing leaves the previous one. A last.ckpt that
    is replaced becomes previous.ckpt."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        path = Path(path)
        try:
            with replacing(path) as temporary:
                torch.save(checkpoint, temporary)
                if path.name == LAST and path.is_file():
                    os.replace(path, path.with_name(PREVIOUS))
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            raise UserError(
                f"{path} could not be written ({error}): free some space or choose another folder, then resume; the previous "
                "checkpoint is kept"
            ) from error


def newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint in `folder` that can be read, and what is in it; None where there is none at all.

    UserError where there are some and none can be read: to begin anew then is for the user to decide.
    """
    damaged = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            return path, torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile, pickle.UnpicklingError) as error:
            damaged.append(path)
            log.warning("%s cannot be read (%s): the one before is used", path, " ".join(str(error).split())[:200])
    if damaged:
        raise UserError(f"{' and '.join(map(str, damaged))} cannot be read: remove {folder} to train again from the start")
    return None


class SaveRegularly(L.Callback):
    """last.ckpt inside of epochs too, at most `minutes` apart.

    Lightning saves a step's state before it logs the step's figures. They are kept here and come along with the checkpoint, or
    a process that is killed between the two would leave a gap in the history.
    """

    def __init__(self, minutes: float) -> None:
        self.minutes, self.saved = minutes, time.monotonic()
        self.figures: dict[str, float] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.saved = time.monotonic()

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:  # after an epoch's last batch come its validation and checkpoints anyway
            return
        if time.monotonic() - self.saved >= 60 * self.minutes:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write last.ckpt after the step at hand, in on_train_batch_end: only there are Lightning's counters right."""
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.figures = {k: float(v) for k, v in trainer.logged_metrics.items() if k.startswith("train/")}
            self.figures["epoch"] = trainer.current_epoch  # as Lightning adds it
        trainer.save_checkpoint(f"{trainer.checkpoint_callback.dirpath}/{LAST}")  # type: ignore[union-attr]
        self.figures = {}

    def state_dict(self) -> dict[str, Any]:
        return {"figures": self.figures}

    @classmethod
    def figures_in(cls, checkpoint: dict[str, Any]) -> dict[str, float]:
        """The figures of the step at which `checkpoint` was saved, where they came along."""
        return checkpoint["callbacks"].get(cls.__qualname__, {}).get("figures", {})


class SaveOnInterrupt(L.Callback):
    """Ctrl-C ends the training after the step at hand, with checkpoints/last.ckpt to go on from; a second one at once.

    Inside a step the weights may be half updated, and Lightning's counters are only right where `SaveRegularly.save` is called.
    """

    def __init__(self, saving: SaveRegularly) -> None:
        self.saving = saving
        self.asked = self.kept = False
        self.before: Any = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.asked = self.kept = False
        if threading.current_thread() is threading.main_thread():  # elsewhere signals can't be handled
            self.before = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("stopping after this step or validation; Ctrl-C again stops at once, and loses what came after the checkpoint")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self.asked:
            return
        if not trainer.is_last_batch:  # after an epoch's last batch come its validation and checkpoints anyway
            self.saving.save(trainer)
        self.kept = True

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if self.kept:  # raised here, since the figures of the step before are logged by now
            raise KeyboardInterrupt

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._restore()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._restore()

    def _restore(self) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
            self.before = None
