"""The way back to a trained run: its checkpoint, configuration and levels."""

import csv
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from anomaly_lab.data.datamodule import files, split
from anomaly_lab.errors import UserError
from anomaly_lab.module import AnomalyModule
from anomaly_lab.report.read.collect import Run
from anomaly_lab.runs.checks import not_by_error
from anomaly_lab.scored import Scorer
from anomaly_lab.training.trainer import make_tester, quiet


def scorer(run: Run) -> Scorer:
    """UserError, with the reason, where the checkpoint or the images are missing or are not what the run had."""
    checkpoint = run.path / "checkpoints" / "best.ckpt"
    if not checkpoint.is_file():
        raise UserError(f"{checkpoint} is missing: copy it there to see the run's images")
    if not run.config:
        raise UserError(f"{run.path} has no config.yaml, which names its images: copy it there to see them")
    try:
        module = AnomalyModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    except Exception as error:  # whatever a damaged file makes torch say
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{checkpoint} cannot be loaded ({why}): copy it again") from error
    data = run.config["data"]
    found = files(data["name"], data["root"], run.config["category"]["name"], need_training=False)
    if len(found.test) != run.metrics.get("n_test"):
        raise UserError(f"{found.root} has {len(found.test)} test images now, the run had {run.metrics.get('n_test')}")
    quiet()
    trainer = make_tester(OmegaConf.create({"trainer": run.config["trainer"]}), run.path, [])
    plugin = trainer.precision_plugin
    module = plugin.convert_module(module).to(trainer.strategy.root_device)  # type: ignore[assignment]
    held_out = split(found.train, data["validation_share"], run.metrics["seed"])[1] if len(found.train) > 1 else []
    return Scorer(run, module, found, held_out, plugin)


NORMAL_ERROR = "scorer.residuals."  # its part of the module's state


def rebuilt(checkpoint: dict[str, Any], config: DictConfig, keys: list[str]) -> AnomalyModule:
    """The module of a checkpoint with the changed scoring, min_area and rule. UserError where they don't belong together."""
    hparams = dict(checkpoint["hyper_parameters"])
    hparams["scoring"] = dict(hparams["scoring"])
    for name in ("error", "sigma", "tile", "pooling"):
        if f"scoring.{name}" in keys:
            value = config.scoring[name]
            if value == "train_size":
                value = hparams["scoring"]["train_size"]
            hparams["scoring"][name] = value
    if hparams["scoring"].get("detector") and hparams["scoring"]["error"] != checkpoint["hyper_parameters"]["scoring"]["error"]:
        raise UserError(not_by_error(config.scoring.error, config.model.name))
    weights = checkpoint["state_dict"]
    try:
        module = AnomalyModule(**hparams)
        if "scoring.error" in keys:  # what error is normal is learnt anew with the threshold, or not needed any more
            fresh = module.state_dict()
            weights = {k: v for k, v in weights.items() if not k.startswith(NORMAL_ERROR)}
            weights |= {k: v for k, v in fresh.items() if k.startswith(NORMAL_ERROR)}
        module.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"the run's checkpoint is of another version of anomaly_lab: {' '.join(str(error).split())}") from error
    if "category.min_area" in keys and config.category.min_area is not None:
        module.hparams["min_area"] = config.category.min_area
    if any(key.split(".")[0] == "calibration" for key in keys):
        module.hparams["calibration"] = OmegaConf.to_container(config.calibration)
    return module


def stored_levels(source: Path) -> list[dict[str, Any]]:
    """The rows of the run's levels.csv for its held-out images: they hold where neither scoring nor min_area has changed."""
    path = source / "levels.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "validation"]


NEEDED = ("state_dict", "hyper_parameters", "epoch", "global_step", "pytorch-lightning_version")  # to score with


def require_run(run: str | None) -> Path:
    """The directory of a trained run. UserError where there is none, or no checkpoint in it."""
    if run is None:
        raise UserError("no run: give run=DIRECTORY, one that python -m anomaly_lab.train has made")
    path = Path(run)
    if not (path / "config.yaml").is_file():
        jobs = sorted(child.parent.name for child in path.glob("*/config.yaml"))
        remedy = f"it holds several, run={path / jobs[0]} is one" if jobs else "run= names a directory that train has made"
        raise UserError(f"{path} holds no run: {remedy}")
    if not best_checkpoint(path).is_file():
        raise UserError(
            f"{path} has no checkpoints/best.ckpt: its training has not come to its end, so continue it with "
            f"python -m anomaly_lab.train resume={path}"
        )
    return path


def best_checkpoint(run: Path) -> Path:
    """The complete checkpoint of a run that has finished: with the threshold."""
    return run / "checkpoints" / "best.ckpt"


def finished_metrics(run: Path) -> dict[str, Any] | None:
    """metrics.json of the run; None where it has not finished."""
    path = run / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def load_checkpoint(run: Path) -> dict[str, Any]:
    """What is needed of checkpoints/best.ckpt, as data. UserError for a damaged file, or one that holds more than data."""
    import torch

    path = best_checkpoint(run)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {name: found[name] for name in NEEDED}
    except Exception as error:  # zip, pickle and end-of-file errors, each of another type
        raise UserError(f"{path} is damaged or no checkpoint of a run ({type(error).__name__}): copy it again") from error
