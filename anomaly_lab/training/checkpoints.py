"""Checkpoints from which a training continues exactly, even if it is killed at a random moment.

checkpoints/last.ckpt is the newest. previous.ckpt is the one before it, in case the newest is damaged.
"""

import logging
import signal
import threading
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins import TorchCheckpointIO

from anomaly_lab.errors import UserError
from anomaly_lab.networks import stored
from anomaly_lab.signals import say

log = logging.getLogger(__name__)
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint as a whole or not at all. A last.ckpt that is replaced becomes previous.ckpt."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint to `path`. UserError if that fails, for example on a full disk."""
        path = Path(path)
        try:
            stored.save(checkpoint, path, path.with_name(PREVIOUS) if path.name == LAST else None)
        except UserError as error:
            raise UserError(f"{error}, then resume; the previous checkpoint is kept") from error


def newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The path and the content of the newest readable checkpoint in `folder`; None if there is no checkpoint.

    UserError if there are checkpoints but none can be read: the user must decide whether to start again.
    """
    damaged = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            return path, stored.load(path)
        except ValueError as error:
            damaged.append(path)
            log.warning("%s cannot be read (%s): the checkpoint before it is used", path, error)
    if damaged:
        raise UserError(f"{' and '.join(map(str, damaged))} cannot be read: remove {folder} to train again from the start")
    return None


class SaveRegularly(L.Callback):
    """Write last.ckpt within epochs too, so that checkpoints are at most `minutes` apart.

    Lightning writes a step's checkpoint before it logs the step's values. If the process is killed in between, the history
    would lack them. So the checkpoint holds these values too.
    """

    def __init__(self, minutes: float) -> None:
        self.minutes, self.saved = minutes, time.monotonic()
        self.values: dict[str, float] = {}

    def on_train_start(self, *_: Any) -> None:
        self.saved = time.monotonic()

    def on_save_checkpoint(self, *_: Any) -> None:
        self.saved = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        due = time.monotonic() - self.saved >= 60 * self.minutes
        if due and not trainer.is_last_batch:  # after the last batch of an epoch, Lightning writes a checkpoint
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write last.ckpt. Call it in on_train_batch_end, the only hook in which Lightning's counters are right."""
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.values = {k: float(v) for k, v in trainer.logged_metrics.items() if k.startswith("train/")}
            self.values["epoch"] = trainer.current_epoch  # Lightning logs it too
        path = f"{trainer.checkpoint_callback.dirpath}/{LAST}"  # type: ignore[union-attr]
        trainer.save_checkpoint(path, weights_only=False)  # the default, which Lightning would log as a remark
        self.values = {}

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values}

    @classmethod
    def values_in(cls, checkpoint: dict[str, Any]) -> dict[str, float]:
        """The logged values of the last step before `checkpoint`; empty if there were none."""
        return checkpoint["callbacks"].get(cls.__qualname__, {}).get("values", {})


class SaveOnInterrupt(L.Callback):
    """At Ctrl-C, finish the step, write last.ckpt and end the training. A second Ctrl-C ends it at once.

    So do the signals that the program treats like Ctrl-C (`anomaly_lab.signals`). Within a step a checkpoint would not be
    consistent: some weights may be updated and others not.
    """

    def __init__(self, saving: SaveRegularly) -> None:
        self.saving = saving
        self.asked = self.kept = False
        self.before: Any = None
        self.terminate: Any = None  # the program's handler of SIGTERM

    def on_fit_start(self, *_: Any) -> None:
        self.asked = self.kept = False
        if threading.current_thread() is threading.main_thread():  # other threads can't handle signals
            self.before = signal.signal(signal.SIGINT, self._ask)
            self.terminate = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        if callable(self.terminate):  # Lightning's own, set by now, would end the training without a checkpoint
            signal.signal(signal.SIGTERM, self.terminate)

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        say("stopping after this step or validation; Ctrl-C again stops at once, without a checkpoint")

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self.asked:
            if not trainer.is_last_batch:
                self.saving.save(trainer)
            self.kept = True

    def on_train_batch_start(self, *_: Any) -> None:
        if self.kept:  # raised here, because the values of the finished step are logged by now
            raise KeyboardInterrupt

    def on_train_end(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def teardown(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
            self.before = None

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")
