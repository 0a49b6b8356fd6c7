"""Early stopping that begins at the final crop size and survives a resume."""

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping as LightningsEarlyStopping

from anomaly_lab.training.callbacks import ProgressiveSize


class EarlyStopping(LightningsEarlyStopping):
    """Lightning's early stopping, with the same arguments, in two points different.

    It begins when crops have their final size: smaller crops teach little about tiles of that size, so the validation error may
    rise for long before it falls. And a resumed run that had stopped trains no further, which Lightning does not restore.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(callback, ProgressiveSize) and callback.growing(trainer) for callback in callbacks):
            self.wait_count = 0
            self.best_score = torch.tensor(math.inf if self.mode == "min" else -math.inf)
