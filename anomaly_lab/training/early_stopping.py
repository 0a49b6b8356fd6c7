"""Early stopping that waits for the final crop size, and stays stopped when a run is resumed."""

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping as LightningsEarlyStopping

from anomaly_lab.training.callbacks import ProgressiveSize


class EarlyStopping(LightningsEarlyStopping):
    """Lightning's early stopping, with the same arguments.

    It counts from the last crop size on: smaller crops teach little about tiles of the final size, and the validation error
    there may rise for long before it falls. Lightning restores how long it has waited, but not that it had stopped.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Train no further where the training had been stopped before."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Begin to wait anew while crops grow."""
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(callback, ProgressiveSize) and callback.growing(trainer) for callback in callbacks):
            self.wait_count = 0
            self.best_score = torch.tensor(math.inf if self.mode == "min" else -math.inf)
