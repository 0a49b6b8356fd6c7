"""What a run says about itself: a table at its start, a table of metrics at its end."""

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


def heading(config: DictConfig) -> str:
    """What a run is, over its pictures: data, category and objective, or the model where there is no objective."""
    what = config.model.name if config.objective.name == "none" else config.objective.name
    return f"{config.data.name} {config.category.name}, {what}"


SHOWN = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO (FPR ≤ 0.3)",
    "image_f1": "image F1",
    "pixel_f1": "pixel F1",
    "tpr": "TPR",
    "tnr": "TNR",
    "tpr_tnr_mean": "mean of TPR and TNR",
}


def print_start(
    config: DictConfig, data: AnomalyDataModule, module: AnomalyModule, trainer: L.Trainer, directory: Path
) -> None:
    """Data source, counts, sizes, network, objective, steps, device, directory."""
    test = data.images.test
    defective = sum(sample.label for sample in test)
    parameters = sum(p.numel() for p in module.network.parameters()) / 1e6
    objective = config.objective
    lam = f", λ = {objective.lam:g}" if objective.get("lam") is not None else ""
    source = "embedded, synthetic" if data.name == "synthetic" else "real images"
    crops = f"{data.train_size} px crops" if data.train_size else "whole images"
    if data.rotation:
        crops += f" turned by up to {data.rotation:.0f}° ({data.why_rotation})"
    batches = trainer.overfit_batches or data.steps_per_epoch  # type: ignore[attr-defined]
    steps = f"{trainer.max_epochs * batches:g}" if trainer.max_epochs and trainer.max_epochs > 0 else "unlimited"
    limit = f", at most {config.trainer.max_time}" if config.trainer.max_time else ""
    course = f"{steps} steps of {data.batch_size}{limit}" if module.trainable else "none: it is shown the training images"
    rows = {
        "data": f"{data.name} ({source}), {data.images.found.root}",
        "category": f"{config.category.name} ({config.category.kind})",
        "images": f"{len(data.images.train)} train, {len(data.images.held_out)} validation (both normal), "
        f"{len(test) - defective} normal and {defective} defective test",
        "image size": f"{data.image_size} px ({data.why_size})" + (f"; trained on {crops}" if module.trainable else ""),
        "network": f"{config.model.name}, {parameters:.2f} M parameters",
        "objective": f"{objective.name}{lam}; corruption {config.corruption.name}",
        "training": f"{course}, {trainer.precision} on {trainer.strategy.root_device}",
        "run": str(directory),
    }
    _print("anomaly_lab", rows)


def print_source(source: dict[str, Any], name: str, data: ScoringData, anew: bool, directory: Path) -> None:
    """What is scored again, on what, with what changed. `source`: what source.json holds, `name`: of the data."""
    kind = "embedded, synthetic" if name == "synthetic" else "real images"
    defective = sum(sample.label for sample in data.test)
    kept = "the run's own" if not anew else f"calibrated anew on {len(data.held_out)} held-out normal images"
    rows = {
        "scored": source["run"] + ("" if source["finished"] else " (has not finished)"),
        "changed": " ".join(source["changed"]) or "nothing",
        "data": f"{name} ({kind}), {data.found.root}",
        "images": f"{len(data.test) - defective} normal and {defective} defective test, {data.image_size} px",
        "threshold": kept,
        "results": str(directory),
    }
    _print("anomaly_lab", rows)


def print_metrics(metrics: dict[str, Any], directory: Path) -> None:
    """The test metrics, beside the trivial reference, and where to look next."""
    what = metrics["model"] if metrics["objective"] == "none" else metrics["objective"]
    table = Table(title=f"{metrics['category']} ({metrics['data']}), {what}, {metrics['n_test']} test images")
    table.add_column("")
    table.add_column("this run", justify="right")
    table.add_column("flat grey", justify="right", style="dim")
    for name, label in SHOWN.items():
        table.add_row(label, _number(metrics[name]), _number(metrics[f"flat_{name}"]) if f"flat_{name}" in metrics else "")
    console = Console()
    console.print(table)
    parameters = {k.removeprefix("calibration_"): v for k, v in metrics.items() if k.startswith("calibration_")}
    rule = " ".join([metrics["calibration"], *(f"{name}={value:g}" for name, value in parameters.items())])
    unfinished = metrics["train_seconds"] is None  # the run that is scored again
    minutes = "" if unfinished else f" in {metrics['train_seconds'] / 60:.1f} min"
    weights = f"weights of step {metrics['steps']}{minutes}" if metrics["objective"] != "none" else "nothing is trained"
    console.print(
        f"threshold {metrics['threshold']:.4g} from {metrics['n_validation']} normal validation images ({rule}), defects from "
        f"{metrics['min_area']} px on; {weights}\n[dim]flat grey: the distance "
        "from the training images' mean colour, which takes no training[/dim]",
        highlight=False,
    )
    _print("results", {"pictures": f"{directory}/figures", "checkpoint": f"{directory}/checkpoints/best.ckpt"})


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _print(title: str, rows: dict[str, str]) -> None:
    console = Console()
    console.print(f"[bold]{title}[/bold]")
    for name, value in rows.items():
        # soft wrap: a path broken over two lines can't be copied
        console.print(f" [bold]{name:<11}[/bold] {escape(value)}", soft_wrap=True, highlight=False)
