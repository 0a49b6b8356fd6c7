"""The progress bar of a training: one over all of it, rather than one per epoch."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingProgress(ProgressBar):
    """One bar over the whole training, with loss, proxy, crop size and speed; a line at each validation, so that logs of
    a run without a terminal tell the story too."""

    def __init__(self) -> None:
        super().__init__()
        self.console, self.enabled = Console(), True
        self.progress: Progress | None = None

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if not self.enabled:
            return
        self.progress = Progress(
            TextColumn("Training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.description}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            refresh_per_second=2,
            disable=not self.console.is_terminal,  # else each bar leaves an empty line in a log
        )
        self.task = self.progress.add_task("", total=1.0)
        self.progress.start()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.progress is not None and trainer.global_step % 5 == 0:  # reading the metrics costs more than the bar
            description = f"step {trainer.global_step}  {batch['X'].shape[-1]} px  {self._figures(trainer)}"
            self.progress.update(self.task, completed=pl_module.progress, description=description)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if self.enabled and not trainer.sanity_checking and self.progress is not None:
            self.console.print(f"step {trainer.global_step:6d}  {self._figures(trainer)}", highlight=False)

    def _figures(self, trainer: L.Trainer) -> str:
        names = {"train/loss": "loss", "val/proxy_ap": "proxy AP", "val/relative_error": "relative error"}
        found = trainer.callback_metrics
        return "  ".join(f"{label} {float(found[name]):.4g}" for name, label in names.items() if name in found)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._close()

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None
