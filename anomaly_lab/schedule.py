"""How much of a training is done, and the learning rate that follows from it."""

import math
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Timer


class OneClock(Callback):
    """Of several processes that train together, the first one's clock is that of all: each by its own would have another
    learning rate, and so other weights. `share`: of the time that had passed before the present step."""

    def __init__(self) -> None:
        self.share: float | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        share = torch.tensor(_own_share(trainer), device=pl_module.device)
        torch.distributed.broadcast(share, src=0)
        self.share = float(share)


def time_share(trainer: Trainer) -> float:
    """The share of `trainer.max_time` that has passed, 0 where there is none; the same in every process."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, OneClock) and callback.share is not None:
            return callback.share
    return _own_share(trainer)


def _own_share(trainer: Trainer) -> float:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Timer) and (left := callback.time_remaining()) is not None:
            passed = callback.time_elapsed()
            return min(1.0, passed / max(passed + left, 1e-9))
    return 0.0


def warmup_cosine(done: float, warmup: float) -> float:
    """The factor on the learning rate at the share `done` of the training: a linear rise over the share `warmup`, then half a
    cosine down to zero. Where a time limit ends the training, the schedule is made for that time."""
    if done < warmup:
        return max(done / warmup, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (min(done, 1.0) - warmup) / (1 - warmup)))
