"""The same few validation and test images after each epoch, for dashboards: what the network makes of them over time.

They are only looked at. Test images choose nothing, and the pictures go to no file of the run's own.
"""

import logging
from typing import Any

import lightning as L
from matplotlib import pyplot as plt

from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.show import figures
from anomaly_lab.show.gallery import row
from anomaly_lab.show.loggers import log_figure, takes_pictures

log = logging.getLogger(__name__)

PAIRS = 3  # corrupted validation images
KINDS = 4  # test images, the first of so many kinds


class Panels(L.Callback):
    """panels/validation: X̂, F(X̂), heatmap and M of fixed pairs; panels/test: image, F(X), heatmap and truth of fixed images."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or not any(takes_pictures(logger) for logger in trainer.loggers):
            return
        data: AnomalyDataModule = trainer.datamodule  # type: ignore[attr-defined]
        with trainer.precision_plugin.forward_context():
            shown = {"validation": self.validation(trainer, pl_module), "test": self.test(data, pl_module)}
        for name, examples in shown.items():
            if examples:
                figure = figures.panels(examples, f"{self.title}: {name} images after {trainer.global_step} steps")
                try:
                    log_figure(trainer, f"panels/{name}", figure)
                except OSError as error:  # a picture is never worth a run
                    log.warning("panels/%s could not be written: %s", name, error)
                plt.close(figure)

    @staticmethod
    def validation(trainer: L.Trainer, module: Any) -> list[dict[str, Any]]:
        pairs: Any = trainer.val_dataloaders.dataset  # type: ignore[union-attr]
        examples = []
        for i in range(min(PAIRS, len(pairs))):
            X_hat = pairs[i]["X_hat"][None].to(module.device)
            output, heatmap, _ = module.look(X_hat)
            shown = None if output is None else output[0]
            examples.append(row(X_hat[0], shown, f"pair {i}", heatmap=heatmap[0].float(), truth=pairs[i]["M"][0]))
        return examples

    @staticmethod
    def test(data: AnomalyDataModule, module: Any) -> list[dict[str, Any]]:
        images: Any = data.test_dataloader().dataset
        examples = []
        for i in first_of_each_kind([sample.defect for sample in data.test])[:KINDS]:
            item, sample = images[i], data.test[i]
            found = module.detect(item | {"X": item["X"].to(module.device)})
            title = f"{sample.defect}\n{sample.path.stem}"
            maps = {"heatmap": found["heatmap"].float(), "truth": item["truth"]}
            examples.append(row(item["X"], found.get("reconstruction"), title, **maps))
        return examples


def first_of_each_kind(kinds: list[str]) -> list[int]:
    """The index of the first of each kind."""
    return [kinds.index(kind) for kind in dict.fromkeys(kinds)]
