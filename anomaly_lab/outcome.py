"""metrics.json: what came out of a test, with the protocol beside it."""

from typing import Any, Protocol

from lightning import LightningModule
from omegaconf import DictConfig

from anomaly_lab.evaluation import TestResults


class Scored(Protocol):
    """The images behind the numbers."""

    image_size: int
    held_out: list[Any]
    test: list[Any]


def metrics_record(
    config: DictConfig, module: LightningModule, data: Scored, results: TestResults, training: dict[str, Any]
) -> dict[str, Any]:
    """One flat object. `training`: what only the training knows: steps, train_seconds, selected_step, n_train, train_size."""
    hparams = module.hparams
    rule = hparams["calibration"]
    return {
        "data": config.data.name,
        "category": config.category.name,
        "objective": config.objective.name,
        "lam": config.objective.get("lam"),
        "corruption": config.corruption.name,
        "model": config.model.name,
        "seed": config.seed,
        "image_size": data.image_size,
        "stored_size": round(data.image_size / hparams["preprocessing"]["scale"]),  # longer side of the median image
        **training,
        **results.metrics,
        "threshold": float(module.threshold),  # type: ignore[arg-type, operator]
        "min_area": hparams["min_area"],
        "calibration": rule["name"],
        "calibration_parameter": rule.get("q", rule.get("alpha")),
        "score_pooling": hparams["scoring"]["pooling"],
        "error": hparams["scoring"]["error"],
        "sigma": hparams["scoring"]["sigma"],
        "n_validation": len(rule.get("levels") or ()),
        "n_test": len(data.test),
    }
