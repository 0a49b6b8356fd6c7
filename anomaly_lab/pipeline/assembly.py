"""From a configuration to objects: the data module and the LightningModule."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.build import build
from anomaly_lab.data.datamodule import AnomalyDataModule
from anomaly_lab.data.download import download
from anomaly_lab.data.workers import default_workers
from anomaly_lab.errors import UserError
from anomaly_lab.module import AnomalyModule
from anomaly_lab.runs import machine
from anomaly_lab.runs.choices import resolved
from anomaly_lab.training.device import precision_of

OF_DATA = ("category", "image_size", "batch_size", "corruption", "validation_corruption", "seed")  # beside the group data
BEGIN = 8  # training images from which a network may take its first weights; each has hundreds of patches


def datamodule(config: DictConfig, cores: int | None = None) -> AnomalyDataModule:
    """The data module that `config` describes. `cores`: the number of processor cores it may use, None for all.

    With data.download=true, images that are
    missing are loaded first. UserError for a corruption that can't be built, and as from `download`.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True)
    data = plain["data"]
    if data["num_workers"] == "auto":
        gpu = plain["trainer"]["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        data["num_workers"] = default_workers(cores or machine.cores(), gpu)
    try:
        for name in ("corruption", "validation_corruption"):
            build(plain[name])
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
    if data.pop("download", False):
        if "archive" not in data:
            raise UserError(f"data.download=true is not known for data={data['name']}: load it by hand, and set data.root")
        download(Path(data["root"]).expanduser(), plain["category"]["name"], data["archive"])
    beside = ("archive", *(data["reader"] or ()))  # the reader has its own arguments
    data = {name: value for name, value in data.items() if name not in beside}
    return AnomalyDataModule(**data, **{name: plain[name] for name in OF_DATA})


def lightning_module(config: DictConfig, data: AnomalyDataModule) -> AnomalyModule:
    """The module that `config` describes. `data` must be set up. UserError for arguments that don't fit each other."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    scoring = plain["scoring"] | {"train_size": data.train_size}  # kept for `evaluate scoring.tile=train_size`
    scoring = {name: resolved(name, value, scoring) for name, value in scoring.items()}
    try:
        module = AnomalyModule(
            network=plain["model"],
            objective=plain["objective"],
            optimizer=plain["optimizer"],
            scoring=scoring,
            preprocessing=dict(vars(data.preprocessing)),
            mean_color=data.mean_color,
            profile=data.profile,
            min_area=data.min_area,
            calibration=plain["calibration"],
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    module.precision = precision_of(config.trainer.precision, config.trainer.accelerator)
    if hasattr(module.network, "begin"):
        module.network.begin(data.images.training_images(BEGIN)[0])
    if hasattr(module.scorer, "begin"):
        module.scorer.begin(data.preprocessing.light)
    if config.trainer.get("compile"):
        module.network.compile(dynamic=True)  # in place: names in checkpoints stay. Dynamic: crops grow
    return module


def check_calibration(config: DictConfig, images: int) -> None:
    """UserError if the calibration rule needs more held-out normal images than `images`, or has a wrong parameter."""
    try:
        build(config.calibration)([0.0] * images)
    except ValueError as error:
        raise UserError(f"calibration.{error}") from error
