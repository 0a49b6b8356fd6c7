"""What happens around the training: growing image size, divergence, checkpoints written whole."""

import math
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import EarlyStopping

from anomaly_lab.atomic import replacing
from anomaly_lab.errors import UserError
from anomaly_lab.schedule import time_share


class ProgressiveSize(L.Callback):
    """The paper's progressive scheme: "gradually increasing the size of the input images over the course of the training".

    `sizes`: pairs of the share of the training, in [0, 1), from which on it holds, and a factor on the final training size.
    Sizes stay multiples of 8 pixels. Nothing is kept: the size of a batch follows from its place in the training alone (or from
    the time, where `max_time` ends the training first), so a resumed training goes on at the size it had.
    """

    def __init__(self, sizes: Sequence[tuple[float, float]]) -> None:
        self.sizes = sorted((float(share), float(factor)) for share, factor in sizes)
        if not self.sizes or self.sizes[0][0] != 0 or any(not 0 <= s < 1 or not 0 < f <= 1 for s, f in self.sizes):
            raise ValueError(f"progressive sizes {self.sizes}: shares start at 0 and lie in [0, 1), factors in (0, 1]")

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            data.size_schedule = lambda step: self.size(data.train_size, self.done(trainer, step, data.steps_per_epoch))

    def size(self, final: int, done: float) -> int:
        """Pixels at the share `done` of the training; a final size of 0, for whole images, stays 0."""
        factor = next(factor for share, factor in reversed(self.sizes) if share <= done)
        return final if factor == 1 or final == 0 else max(8, 8 * round(final * factor / 8))

    @staticmethod
    def done(trainer: L.Trainer, step: int, steps_per_epoch: int) -> float:
        """Share of the training before batch number `step`: in steps or, with `max_time`, in time."""
        steps = (trainer.max_epochs or -1) * steps_per_epoch
        return max(step / steps if steps > 0 else 0.0, time_share(trainer))


class StopOnDivergence(L.Callback):
    """A loss or reconstruction that is no number ends the training at once, before it can reach a checkpoint."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._require_finite(trainer, "loss", float(outputs["loss"]))

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._require_finite(trainer, "validation error", float(outputs))

    @staticmethod
    def _require_finite(trainer: L.Trainer, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        folder = Path(trainer.checkpoint_callback.dirpath)  # type: ignore[union-attr, arg-type]
        kept = f"the last good checkpoint is kept in {folder}" if any(folder.glob("*.ckpt")) else "there is no checkpoint yet"
        raise UserError(
            f"the {what} is {value} at step {trainer.global_step}: training has diverged, try a smaller optimizer.lr; {kept}"
        )


class StayStopped(L.Callback):
    """A run that early stopping had ended trains no further when it is resumed: Lightning restores how long early stopping
    has waited, but not that it had enough."""

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping) and callback.wait_count >= callback.patience:
                trainer.should_stop = True


class SaveOnInterrupt(L.Callback):
    """Ctrl-C ends the training after the step at hand, with checkpoints/last.ckpt to go on from; a second one at once.

    Inside a step the weights may be half updated, and Lightning's counters are only right where the hook below saves.
    """

    def __init__(self) -> None:
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
            trainer.save_checkpoint(f"{trainer.checkpoint_callback.dirpath}/last.ckpt")  # type: ignore[union-attr]
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


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints are there whole or not at all: a kill or a full disk while writing leaves the previous one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        try:
            with replacing(path) as temporary:
                torch.save(checkpoint, temporary)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            raise UserError(
                f"{path} could not be written ({error}): free some space or choose another folder, then resume; the previous "
                "checkpoint is kept"
            ) from error
