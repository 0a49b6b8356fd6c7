"""What a run prints: its data and settings at the start, its metrics at the end."""

from pathlib import Path
from typing import Any

import lightning as L
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.scoring_data import ScoringData
from anomaly_lab.module import AnomalyModule

SHOWN = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO (FPR ≤ 0.3)",
    "aupro_05": "AUPRO (FPR ≤ 0.05)",
    "image_f1": "image F1",
    "pixel_f1": "pixel F1",
    "tpr": "TPR",
    "tnr": "TNR",
    "tpr_tnr_mean": "mean of TPR and TNR",
}


def heading(config: DictConfig) -> str:
    """The title of a run's figures: data, category and objective; the model if nothing is trained."""
    what = config.model.name if config.objective.name == "none" else config.objective.name
    return f"{config.data.name} {config.category.name}, {what}"


def print_start(
    config: DictConfig, data: AnomalyDataModule, module: AnomalyModule, trainer: L.Trainer, directory: Path
) -> None:
    """Print what is trained on what. `data` and `module` are set up; `trainer` knows the number of steps."""
    images, objective = data.images, config.objective
    parameters = sum(p.numel() for p in module.network.parameters()) / 1e6
    lam = f", λ = {objective.lam:g}" if objective.get("lam") is not None else ""
    crops = f"{data.train_size} px crops" if data.train_size else "whole images"
    if data.rotation:
        crops += f" turned by up to {data.rotation:.0f}° ({data.why_rotation})"
    batches = trainer.overfit_batches or data.steps_per_epoch  # type: ignore[attr-defined]
    steps = f"{trainer.max_epochs * batches:g}" if trainer.max_epochs and trainer.max_epochs > 0 else "unlimited"
    limit = f", at most {config.trainer.max_time}" if config.trainer.max_time else ""
    course = f"{steps} steps of {data.batch_size}{limit}" if module.trainable else "none: it is shown the training images"
    rows = {
        "data": _source(config.data.name, images),
        "category": f"{config.category.name} ({config.category.kind})",
        "images": f"{len(images.train)} train, {len(images.held_out)} validation (both normal), {_tested(images)}",
        "image size": f"{data.image_size} px ({data.why_size})" + (f"; trained on {crops}" if module.trainable else ""),
        **({"aligned": f"{data.why_align}: the background far from what stands out is not looked at"} if data.align else {}),
        "network": f"{config.model.name}, {parameters:.2f} M parameters",
        "objective": f"{objective.name}{lam}; corruption {config.corruption.name}",
        "training": f"{course}, {trainer.precision} on {trainer.strategy.root_device}",
        "run": str(directory),
    }
    _print("anomaly_lab", rows)


def print_source(source: dict[str, Any], name: str, data: ScoringData, anew: bool, directory: Path) -> None:
    """Print which run is scored again, on which images, with which changes.

    `source` is the content of source.json, `name` that of the data, `anew` whether the threshold is calibrated again.
    """
    others = ", drawn anew, since the run's own are not there" if data.drawn_anew else ""
    kept = f"calibrated anew on {len(data.held_out)} held-out normal images{others}" if anew else "the run's own"
    rows = {
        "scored": source["run"] + ("" if source["finished"] else " (has not finished)"),
        "changed": " ".join(source["changed"]) or "nothing",
        "data": _source(name, data),
        "images": f"{_tested(data)}, {data.image_size} px",
        "threshold": kept,
        "results": str(directory),
    }
    _print("anomaly_lab", rows)


def print_metrics(metrics: dict[str, Any], directory: Path) -> None:
    """Print the test metrics beside those of trivial references, and where the results are.

    `metrics`: the content of metrics.json.
    """
    what = metrics["model"] if metrics["objective"] == "none" else metrics["objective"]
    table = Table(title=f"{metrics['category']} ({metrics['data']}), {what}, {metrics['n_test']} test images")
    table.add_column("")
    table.add_column("this run", justify="right")
    table.add_column("trivial", justify="right", style="dim")
    for name, label in SHOWN.items():
        table.add_row(
            label, _number(metrics[name]), _number(metrics[f"trivial_{name}"]) if f"trivial_{name}" in metrics else ""
        )
    console = Console()
    console.print(table)
    parameters = {k.removeprefix("calibration_"): v for k, v in metrics.items() if k.startswith("calibration_")}
    rule = " ".join([metrics["calibration"], *(f"{name}={value:g}" for name, value in parameters.items())])
    unfinished = metrics["train_seconds"] is None  # an evaluation of a run that has not finished
    minutes = "" if unfinished else f" in {metrics['train_seconds'] / 60:.1f} min"
    weights = f"weights of step {metrics['steps']}{minutes}" if metrics["objective"] != "none" else "nothing is trained"
    rate = metrics["false_alarm_rate"]
    alarms = "" if rate is None else f"at most {rate:.1%} of new normal images are called defective\n"
    console.print(
        f"threshold {metrics['threshold']:.4g} from {metrics['n_validation']} normal validation images ({rule}), smallest "
        f"defect {metrics['min_area']} px; {weights}\n{alarms}[dim]trivial: the best of flat grey, blurred gradient, local "
        "spread and brightness, which need no training[/dim]",
        highlight=False,
    )
    _print("results", {"pictures": f"{directory}/figures", "checkpoint": f"{directory}/checkpoints/best.ckpt"})


def _source(name: str, data: ScoringData) -> str:
    kind = "embedded, synthetic" if name == "synthetic" else "real images"
    return f"{name} ({kind}), {data.found.root}"


def _tested(data: ScoringData) -> str:
    defective = sum(sample.label for sample in data.test)
    return f"{len(data.test) - defective} normal and {defective} defective test"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _print(title: str, rows: dict[str, str]) -> None:
    console = Console()
    console.print(f"[bold]{title}[/bold]")
    for name, value in rows.items():
        # soft wrap, since a path that is broken over two lines can't be copied
        console.print(f" [bold]{name:<11}[/bold] {escape(value)}", soft_wrap=True, highlight=False)
