"""The end of a training or an evaluation: checkpoint, test, tables, figures, metrics.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.build import build
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.files import write_json
from anomaly_lab.model import Model
from anomaly_lab.progress import watched
from anomaly_lab.results import Results, metrics_record, write_heatmap
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import save
from anomaly_lab.scored import score
from anomaly_lab.show import loggers as show_loggers
from anomaly_lab.show.gallery import Gallery, publish
from anomaly_lab.show.screen import heading, print_metrics


def end(
    config: DictConfig,
    directory: Path,
    module: Model,
    data: ScoringData,
    levels: Sequence[Mapping[str, Any]],
    epoch: int,
    training: Mapping[str, Any],
    loggers: Sequence[Logger] = (),
    workers: int = 0,
) -> dict[str, Any]:
    """Test the calibrated module and write the results to `directory`. Returns the content of metrics.json.

    - `levels`: the held-out images' rows of levels.csv.
    - `epoch`: the epoch of the weights.
    - `training`: entries of metrics.json about the training; `steps` is the step of the weights.
    - `workers`: processes that decode images.

    metrics.json is written last, because it marks a finished run.
    """
    save(best_checkpoint(directory), module, epoch, training["steps"])
    more: Any = OmegaConf.to_container(config.get("metrics") or OmegaConf.create())
    results = Results(module, data.test, data.found.root, [build(record) for record in more.values()])
    gallery = Gallery(heading(config))
    for scored in watched(score(module, data.test, workers), "Testing", len(data.test)):
        gallery.add(scored, results.add(scored))
        if config.test.save_heatmaps:
            write_heatmap(scored, directory)
    results.conclude()
    results.write(directory, levels)
    for name, figure in gallery.drawn(results.threshold).items():
        publish(figure, name, loggers, training["steps"], directory / "figures")
    metrics = metrics_record(config, module, data, results, training)
    show_loggers.conclude(loggers, config, metrics, results.metrics, results.rows)
    write_json(directory / "metrics.json", metrics)
    print_metrics(metrics, directory)
    return metrics
