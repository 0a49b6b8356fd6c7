"""Callbacks of a training: growing image size, divergence, random numbers."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

from anomaly_lab.errors import UserError
from anomaly_lab.training.schedule import share_done


class ProgressiveSize(L.Callback):
    """Section 3.2: "gradually increasing the size of the input images over the course of the training".

    `sizes`: pairs of a start, as a share of the training in [0, 1), and a factor in (0, 1] on the final size. The result is a
    multiple of 8 pixels. The size of a batch follows from its number alone (or from the time, if `max_time` ends the training
    first), so a resumed training continues with the same size. ValueError for other pairs.
    """

    def __init__(self, sizes: Sequence[tuple[float, float]]) -> None:
        self.sizes = sorted((float(share), float(factor)) for share, factor in sizes)
        if not self.sizes or self.sizes[0][0] != 0 or any(not 0 <= s < 1 or not 0 < f <= 1 for s, f in self.sizes):
            raise ValueError(f"progressive sizes {self.sizes}: shares start at 0 and lie in [0, 1), factors in (0, 1]")

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            data.size_schedule = lambda step: self.size(data.train_size, self.done(trainer, step, data.steps_per_epoch))

    def growing(self, trainer: L.Trainer) -> bool:
        """Whether crops are still smaller than at the end."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        return self.done(trainer, trainer.global_step, data.steps_per_epoch) < self.sizes[-1][0]

    def size(self, final: int, done: float) -> int:
        """The size in pixels at the share `done` of the training. A final size of 0, for whole images, stays 0."""
        factor = next(factor for share, factor in reversed(self.sizes) if share <= done)
        return final if factor == 1 or final == 0 else max(8, 8 * round(final * factor / 8))

    @staticmethod
    def done(trainer: L.Trainer, step: int, steps_per_epoch: int) -> float:
        """The share of the training before batch number `step`, in steps or in time.

        Lightning's own count of steps would not do: workers ask for their first batches before it begins.
        """
        ends = [(trainer.max_epochs or -1) * steps_per_epoch, trainer.max_steps]
        return share_done(trainer, step, min((end for end in ends if end > 0), default=math.inf))


class StopOnDivergence(L.Callback):
    """End the training with a UserError if the loss or a validation heatmap is not finite."""

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
        self._require_finite(trainer, "loss", float(outputs["loss"]))

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
        self._require_finite(trainer, "mean of a validation heatmap", float(outputs))

    @staticmethod
    def _require_finite(trainer: L.Trainer, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        folder = Path(trainer.checkpoint_callback.dirpath)  # type: ignore[union-attr, arg-type]
        kept = f"the last good checkpoint is kept in {folder}" if any(folder.glob("*.ckpt")) else "there is no checkpoint yet"
        raise UserError(
            f"the {what} is {value} at step {trainer.global_step}: training has diverged, try a smaller optimizer.lr or "
            f"trainer.precision=32-true; {kept}"
        )


class SeedEachStep(L.Callback):
    """Random numbers of a step follow from (seed, step) alone, so a resumed training draws the same."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        stream = np.random.SeedSequence([self.seed, trainer.global_step])
        torch.manual_seed(int(stream.generate_state(1, np.uint64)[0]))  # for all devices
