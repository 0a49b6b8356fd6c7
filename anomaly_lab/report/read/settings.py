"""What a setting is: everything that a run was asked to do, except its seed and what changes no number."""

import json
from collections.abc import Mapping
from typing import Any

from anomaly_lab.report.read.run import Run
from anomaly_lab.runs.fingerprint import NEUTRAL, flatten, is_below

IGNORED = (*NEUTRAL, "seed", "scoring.detector.seed", "data.root", "test")  # change no number, or follow from the seed
OF_CATEGORY = ("category.name", "category.kind", "category.augmentation")  # follow from the choice of the category
EVALUATION = "evaluated again, trained on"  # a key that only the settings of evaluations have
RECORDED = ("data", "category", "objective", "lam", "corruption", "model", "image_size", "score_pooling", "sigma", "min_area")


def setting_of(run: Run) -> dict[str, Any]:
    """The setting of a finished run as a flat mapping: {"objective.lam": 0.5, …}.

    A run without config.yaml has the values RECORDED in its metrics.json. A run on other than synthetic data has their
    root folder in its setting, since two folders may have the same name. An evaluation never has the setting of a training.
    """
    flat = flatten(run.config) if run.config else {name: run.metrics.get(name) for name in RECORDED}
    setting = {k: v for k, v in flat.items() if not is_below(k, IGNORED)}
    if run.metrics.get("data") != "synthetic":
        setting["data.root"] = flat.get("data.root")
    if run.metrics.get("source_run") is not None:
        setting[EVALUATION] = run.metrics.get("trained_on")
    return setting


def across_categories(setting: Mapping[str, Any]) -> dict[str, Any]:
    """A setting without the keys that say which data and which category it is on."""
    return {k: v for k, v in setting.items() if not is_below(k, (*OF_CATEGORY, "data.root", "data.name", "data.reader"))}


def key(setting: Mapping[str, Any]) -> str:
    """A setting as a string; equal settings have equal strings."""
    return json.dumps(setting, sort_keys=True, default=str)
