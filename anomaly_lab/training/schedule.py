"""The share of a training that is done; the learning rate and λ at that share."""

import math

from lightning import Trainer
from lightning.pytorch.callbacks import Timer


def time_share(trainer: Trainer) -> float:
    """The share of `trainer.max_time` that has passed, in [0, 1]; 0 without a time limit."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Timer) and (left := callback.time_remaining()) is not None:
            passed = callback.time_elapsed()
            return min(1.0, passed / max(passed + left, 1e-9))
    return 0.0


def share_done(trainer: Trainer, step: int, steps: float) -> float:
    """The share of the training before batch number `step` of `steps`, in [0, 1]: in steps or in time, whichever is larger."""
    return min(1.0, max(step / max(1, steps), time_share(trainer)))


def warmup_cosine(done: float, warmup: float) -> float:
    """The factor on the learning rate at the share `done` of the training.

    It rises linearly until the share `warmup`, then falls to 0 along half a cosine.
    """
    if done < warmup:
        return max(done / warmup, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (min(done, 1.0) - warmup) / (1 - warmup)))


class Fall:
    """λ over the training: 1 until the share `start`, then along a line to `lam` at the share `end`.

    At λ = 1 the network learns to reproduce what is normal; then the corrupted region begins to count. 0 ≤ `start` ≤ `end` ≤ 1.
    """

    def __init__(self, lam: float, start: float, end: float) -> None:
        self.lam, self.start, self.end = lam, start, end

    def __call__(self, done: float) -> float:
        """λ at the share `done` of the training."""
        if done >= self.end:
            return self.lam
        part = 0.0 if done <= self.start else (done - self.start) / (self.end - self.start)
        return 1 - part * (1 - self.lam)
