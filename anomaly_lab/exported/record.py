"""What an export says of itself, from the run: see `metadata.FIELDS`."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

import anomaly_lab
from anomaly_lab.exported import metadata
from anomaly_lab.exported.sizes import OPEN
from anomaly_lab.results import maps_of
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import Trained
from anomaly_lab.scored import preprocessing_of


def record(trained: Trained, precision: str, size: tuple[int, int]) -> dict[str, Any]:
    """The record of a run's export. `size`: (H, W) of the images that it takes, or `sizes.OPEN`."""
    module, config = trained.module, trained.config
    hparams, scoring = module.hparams, module.hparams["scoring"]
    preprocessing, rule = preprocessing_of(module), hparams["calibration"]
    return {
        "format": metadata.FORMAT,
        "version": anomaly_lab.__version__,
        "torch": torch.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": trained.run.resolve().name,
        "checkpoint": hashlib.sha256(best_checkpoint(trained.run).read_bytes()).hexdigest(),
        "data": config.data.name,
        "category": config.category.name,
        "model": config.model.name,
        "evidence": maps_of(scoring),
        "precision": precision,
        "height": size[0],
        "width": size[1],
        "working_size": list(OPEN if size == OPEN else preprocessing.size(size)),
        "train_size": scoring.get("train_size"),
        "tile": scoring["tile"],
        "threshold": float(module.threshold),
        "alpha": rule.get("alpha"),
        "min_area": int(hparams["min_area"]),
        "levels": [float(level) for level in rule.get("levels") or () if np.isfinite(level)],
        "profile": {name: list(map(float, ends)) for name, ends in hparams["profile"].items()},
        "preprocessing": dict(vars(preprocessing)),
        "inputs": metadata.INPUTS,
        "outputs": metadata.OUTPUTS,
        "license": metadata.LICENSE,
    }
