"""The heatmaps of the same few validation and test images after each epoch, in W&B or TensorBoard.

They are for eyes only: nothing is chosen by them, and they are not written to the run's directory.
"""

from typing import Any

import lightning as L
import torch

from anomaly_lab.data.folder import first_of_each_kind
from anomaly_lab.scored import score
from anomaly_lab.show import figures
from anomaly_lab.show.gallery import example, publish, row
from anomaly_lab.show.loggers import takes_pictures

PAIRS = 3  # validation pairs that are shown
KINDS = 4  # kinds of test images that are shown, each by its first image


class Panels(L.Callback):
    """panels/validation: X̂, F(X̂), heatmap and M of the first pairs. panels/test: X, F(X), heatmap and ground truth of the first
    test image of each kind. `title` is the beginning of both titles."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or not any(takes_pictures(logger) for logger in trainer.loggers):
            return
        step = trainer.global_step
        shown = {"validation": self.validation(trainer, pl_module), "test": self.test(trainer, pl_module)}
        for name, examples in shown.items():
            if examples:
                figure = figures.panels(examples, f"{self.title}: {name} images after {step} steps")
                publish(figure, f"panels/{name}", trainer.loggers, step)

    @staticmethod
    def validation(trainer: L.Trainer, module: Any) -> list[dict[str, Any]]:
        """The rows of panels/validation."""
        pairs: Any = trainer.val_dataloaders.dataset  # type: ignore[union-attr]
        examples = []
        for i in range(min(PAIRS, len(pairs))):
            X_hat = pairs[i]["X_hat"][None].to(module.device)
            with torch.no_grad():
                output, heatmap, *_ = module.scorer(module.F, X_hat)
            shown = None if output is None else output[0]
            examples.append(row(X_hat[0], shown, f"pair {i}", heatmap=heatmap[0].float(), truth=pairs[i]["M"][0]))
        return examples

    @staticmethod
    def test(trainer: L.Trainer, module: Any) -> list[dict[str, Any]]:
        """The rows of panels/test."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        return [example(scored) for scored in score(module, first_of_each_kind(data.images.test, KINDS))]
