"""The progress bar of a training."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingProgress(ProgressBar):
    """One bar for the whole training, and one line per validation, so that a log without a terminal shows the course too."""

    def __init__(self) -> None:
        super().__init__()
        self.console, self.enabled = Console(), True
        self.progress: Progress | None = None

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, *_: Any) -> None:
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
            disable=not self.console.is_terminal,  # in a log file, each bar would leave an empty line
        )
        self.task = self.progress.add_task("", total=1.0)
        self.progress.start()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:
        if self.progress is not None and trainer.global_step % 5 == 0:  # every step would cost time
            description = f"step {trainer.global_step}  {batch['X'].shape[-1]} px  {self._values(trainer)}"
            self.progress.update(self.task, completed=pl_module.progress, description=description)

    def on_validation_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self.progress is not None:  # a training runs
            self.console.print(f"step {trainer.global_step:6d}  {self._values(trainer)}", highlight=False)

    @staticmethod
    def _values(trainer: L.Trainer) -> str:
        names = {"train/loss": "loss", "val/proxy_ap": "proxy AP", "val/relative_error": "relative error"}
        found = trainer.callback_metrics
        return "  ".join(f"{label} {float(found[name]):.4g}" for name, label in names.items() if name in found)

    def on_train_end(self, *_: Any) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()
