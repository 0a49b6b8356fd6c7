"""Checks of a configuration. `check` raises a UserError, one sentence, for a mistake that Hydra does not notice."""

import math
import re
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf

from anomaly_lab.build import build
from anomaly_lab.errors import UserError
from anomaly_lab.runs.choices import by_name, names, record

SMALLEST = 32  # pixels: 4 × 4 in the bottleneck; with fewer, a patch has no context
LARGEST = 2**63  # what libraries take as a size


class Numbers(NamedTuple):
    """The numbers that a value may be: `low` to `high`, without the bounds if `inside`; whole numbers only if `whole`.

    `besides`: other values that it may have. `why`: the reason, as the end of a sentence.
    """

    low: float
    high: float = math.inf
    whole: bool = False
    inside: bool = False
    besides: tuple[Any, ...] = ()
    why: str = ""

    def hold(self, value: Any) -> bool:
        """Whether the value is one of these numbers."""
        if value in self.besides:
            return True
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        if not abs(value) < LARGEST:  # not a number, infinite, or too large
            return False
        return self.low < value < self.high if self.inside else self.low <= value <= self.high

    def sentence(self, value: Any) -> str:
        """What `value` must be instead, as the second half of an error's sentence."""
        words = [_shown(other) for other in self.besides]
        kind = "a whole number" if self.whole else "a number"
        large = isinstance(value, int | float) and LARGEST <= value < math.inf
        high = min(self.high, LARGEST) if large else self.high
        if self.inside:
            bounds = f"above {self.low:g}" + ("" if math.isinf(high) else f" and below {high:g}")
        else:
            bounds = f"of at least {self.low:g}" if math.isinf(high) else f"in [{self.low:g}, {high:.10g}]"
        return f"it must be {' or '.join([*words, f'{kind} {bounds}'])}" + (f", {self.why}" if self.why else "")


NUMBERS = {
    "seed": Numbers(0, 2**32 - 1, whole=True),
    "image_size": Numbers(SMALLEST, 2**16, whole=True, besides=("auto",), why="as the network shrinks its input eightfold"),
    "batch_size": Numbers(1, whole=True, besides=("auto",)),
    "checkpoint_minutes": Numbers(0),
    "objective.lam": Numbers(0, 1, besides=(None,), why="since λ weights the two terms of the objective"),
    "optimizer.lr": Numbers(0),
    "optimizer.weight_decay": Numbers(0),
    "optimizer.warmup": Numbers(0, 0.99, why="as a share of the training"),
    "data.steps_per_epoch": Numbers(1, whole=True),
    "data.train_size": Numbers(SMALLEST, whole=True, besides=(0, "auto"), why="where 0 stands for whole images"),
    "data.rotation": Numbers(0, 180, besides=("auto",), why="in degrees"),
    "data.validation_share": Numbers(0, 1, inside=True, why="since held-out normal images calibrate the threshold"),
    "data.test_share": Numbers(0, 1, inside=True, why="as a share of the normal images: the others are for the training"),
    "data.rescale": Numbers(0, inside=True, besides=("training",), why="as pixels for one pixel of the training images"),
    "data.num_workers": Numbers(0, whole=True, besides=("auto",)),
    "data.cache.gib": Numbers(0, why="in GiB, where 0 keeps no images"),
    "scoring.sigma": Numbers(0),
    "scoring.tile": Numbers(0, whole=True, besides=("train_size",), why="where 0 stands for whole images"),
    "category.min_area": Numbers(1, whole=True, besides=(None,), why="where null chooses by image size"),
    "trainer.devices": Numbers(1, 1, whole=True, why="since one run trains on one device; several runs use several: -m"),
    "trainer.num_nodes": Numbers(1, 1, whole=True, why="since one run trains on one device; several runs use several: -m"),
    "trainer.log_every_n_steps": Numbers(0, whole=True, besides=(None,)),
    "trainer.check_val_every_n_epoch": Numbers(1, whole=True, besides=(None,)),
    "callbacks.early_stopping.patience": Numbers(0, whole=True, why="in validations"),
    "trainer.max_epochs": Numbers(-1, whole=True, besides=(None,), why="where -1 leaves the end to trainer.max_time"),
}
# parts of the configuration that hold keys; those in OPTIONAL may be null
PARTS = (
    "data",
    "model",
    "objective",
    "corruption",
    "validation_corruption",
    "calibration",
    "optimizer",
    "scoring",
    "trainer",
    "test",
)
OPTIONAL = ("data.cache", "callbacks", "logger", "metrics")
SWITCHES = ("test.save_heatmaps", "trainer.compile", "model.checkpointing", "model.standardize", "data.download")
# Trainer options that we refuse, because batches depend on their index alone and metrics need every image:
# option → (harmless value, what to use instead). 1.0 means all batches, 1 means one batch
OURS: dict[str, tuple[Any, str]] = {
    "trainer.limit_train_batches": (1.0, "data.steps_per_epoch= says how many batches an epoch has"),
    "trainer.accumulate_grad_batches": (1, "batch_size= says how many crops make a step"),
    "trainer.limit_test_batches": (1.0, "metrics are of all test images"),
    "trainer.limit_predict_batches": (1.0, "the threshold is calibrated on all held-out images"),
    "trainer.strategy": ("auto", "one run trains on one device"),
    "trainer.fast_dev_run": (False, "debug=default runs every stage in a minute"),
}


def check(config: DictConfig) -> None:
    """Check the whole configuration. UserError for the first mistake."""
    category = config.get("category")  # None if it is missing
    if category is None or isinstance(category, str) or OmegaConf.is_missing(category, "name"):
        raise UserError("no category: add +category=carpet, or +category=custom category.name=FOLDER for your own images")
    if not isinstance(category.name, str):
        remedy = "put quotes around the folder's name, as in 'category.name=\"0123\"'"
        raise UserError(f"category.name is read as {_shown(category.name)}, which is no text: {remedy}")
    check_parts(config)
    if config.data.root is None:
        raise UserError(f"data.root is null: add data.root=DIR, the folder with the images of data={config.data.name}")
    for name, numbers in NUMBERS.items():
        value = OmegaConf.select(config, name, default=numbers)
        if value is not numbers and not numbers.hold(value):
            raise UserError(f"{name} is {_shown(value)}: {numbers.sentence(value)}")
    from anomaly_lab.data.preprocessing import CONTRASTS  # here, since --help needs neither NumPy nor torch
    from anomaly_lab.objectives import NORMS

    for name, known in (("data.contrast", CONTRASTS), ("objective.norm", NORMS)):
        value = OmegaConf.select(config, name)
        if value not in known and not (name == "objective.norm" and value is None):
            raise UserError(f"{name} is {_shown(value)}: it must be one of {', '.join(known)}")
    align = OmegaConf.select(config, "data.align", default=False)  # runs of before have none
    if align not in (True, False, "auto"):
        raise UserError(f"data.align is {_shown(align)}: it must be auto, true or false")
    fall = OmegaConf.select(config, "objective.fall")
    if fall is not None and not (
        isinstance(fall, ListConfig)
        and len(fall) == 2
        and all(Numbers(0, 1).hold(share) for share in fall)
        and fall[0] <= fall[1]
    ):
        said = "give null, or two shares of the training, such as [0.3,0.6], between which λ falls from 1 to objective.lam"
        raise UserError(f"objective.fall is {_shown(fall)}: {said}")
    least = OmegaConf.select(config, "objective.correlation")
    if least is not None and not (Numbers(0, 1).hold(least) and least > 0):
        said = "give null, or the least correlation of F(X̂) and X, above 0 and at most 1, such as 0.5"
        raise UserError(f"objective.correlation is {_shown(least)}: {said}")
    for key in ("scoring.scorer", "scoring.pooling"):
        record(key, OmegaConf.select(config, key))
    if OmegaConf.select(config, "data.cache.folder", default="") is None:
        raise UserError("data.cache.folder is null: give a folder, or data.cache.gib=0 for no cache")
    if not isinstance(category.get("augmentation", ListConfig([])), ListConfig):
        raise UserError(f"category.augmentation is {_shown(category.augmentation)}: write a list, such as '[horizontal_flip]'")
    check_trainer(config)
    check_system(config)
    if config.get("init") is not None and config.objective.name == "none":
        raise UserError(f"init={config.init} begins a training, and model={config.model.name} has none: leave init= out")


def check_parts(config: DictConfig) -> None:
    """Check that what holds keys holds them, that a switch is true or false, and that the user's own metrics can be built."""
    for name in (*PARTS, *OPTIONAL):
        part = OmegaConf.select(config, name)
        if not isinstance(part, DictConfig) and not (part is None and name in OPTIONAL):
            raise UserError(f"{name} is {_shown(part)}: it must have the keys that conf/ gives it")
    for name in SWITCHES:
        if not isinstance(value := OmegaConf.select(config, name, default=False), bool):
            raise UserError(f"{name} is {_shown(value)}: it must be true or false")
    metrics: Any = OmegaConf.to_container(config.get("metrics") or OmegaConf.create())
    for name, metric in metrics.items():
        try:
            build(metric)
        except ValueError as error:
            raise UserError(f"metrics.{name}: {error}") from error


def check_trainer(config: DictConfig) -> None:
    """Check the arguments of Lightning's Trainer that would cause a stack trace or mean something else."""
    limit = config.trainer.get("max_time")
    if limit is not None and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", str(limit)):
        raise UserError(f"trainer.max_time is {limit}: write DD:HH:MM:SS, as in 00:00:10:00 for ten minutes, or null")
    for name, (usual, instead) in OURS.items():
        value = OmegaConf.select(config, name)
        if value is not None and (type(value), value) != (type(usual), usual):
            raise UserError(f"{name} can't be used here: {instead}")
    if config.trainer.get("compile") and config.model.get("checkpointing"):
        raise UserError("torch can't compile a network that recomputes: use trainer.compile or model.checkpointing, not both")


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def not_by_evidence(evidence: Any, model: str, detector: Any) -> str:
    """The sentence for evidence from F(X) with a model that is scored by a `detector` on features, or by a map of its own."""
    how = "its features" if detector else "a map of its own"
    return f"scoring.evidence is {evidence}: model={model} is scored by {how}, leave scoring.evidence out"


def check_system(config: DictConfig) -> None:
    """Check that model, objective, corruption and scoring fit each other."""
    model, objective, evidence = config.model.name, config.objective, config.scoring.evidence
    kinds, kept = (OmegaConf.select(config, f"{key}.name") for key in ("corruption", "validation_corruption"))
    if kinds is not None and kinds == kept:
        raise UserError(f"corruption={kinds} is kept for the validation, so no training may use it: choose another one")
    detector, maps, named = config.scoring.get("detector"), names("scoring.evidence"), by_name(config.scoring)
    asked = [evidence] if isinstance(evidence, str) else list(evidence or ())
    if not named and (not asked or any(isinstance(each, str) and each not in maps for each in asked)):
        why = f"because model={model} has no features to compare; model=knn and model=patch_ae have features"
        raise UserError(f"scoring.evidence is {evidence}: it must be one or several of {', '.join(maps)}, {why}")
    if named and set(asked) & set(maps):
        raise UserError(not_by_evidence(evidence, model, detector))
    if objective.get("target") == "X_hat" and not detector:
        remedy = f"use model=patch_ae, which is scored by its features, instead of model={model}"
        raise UserError(
            f"objective={objective.name} teaches the network to reconstruct defects, so that no error shows them: {remedy}"
        )
