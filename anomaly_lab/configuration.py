"""What a configuration may say: mistakes that Hydra's composition can't see, each answered in one sentence."""

from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError

SMALLEST = 32  # pixels: 4 × 4 in the bottleneck; below, there is no context to restore a patch from
ERRORS = ("mahalanobis", "squared", "absolute")  # of a reconstruction; other names are those of a model's own detector
CHOICES = {
    "data.contrast": ("none", "category", "image"),
    "objective.norm": ("l2", "squared"),
    "scoring.pooling": ("max", "mean_top"),
}


def check(config: DictConfig) -> None:
    """UserError for the first value that makes no sense."""
    category = config.get("category")  # None where it is missing
    if category is None or isinstance(category, str) or OmegaConf.is_missing(category, "name"):
        raise UserError("no category: add +category=carpet or, for a folder of your own, +category=custom category.name=FOLDER")
    if config.data.root is None:
        raise UserError(f"data={config.data.name} needs to know where the images are: add data.root=DIR")
    lam = config.objective.get("lam")
    if lam is not None and (not isinstance(lam, int | float) or not 0 <= lam <= 1):
        raise UserError(f"objective.lam is {lam}: λ weights the two terms of the objective and must lie in [0, 1]")
    size = config.image_size
    if size != "auto" and (not isinstance(size, int) or size < SMALLEST):
        raise UserError(
            f"image_size is {size}: it must be auto or at least {SMALLEST} pixels, as the network shrinks its input eightfold"
        )
    train_size = config.data.train_size
    if train_size != 0 and train_size < SMALLEST:
        raise UserError(f"data.train_size is {train_size}: it must be 0 (whole images) or at least {SMALLEST} pixels")
    rotation = config.data.get("rotation", 0)
    if rotation != "auto" and (not isinstance(rotation, int | float) or not 0 <= rotation <= 180):
        raise UserError(f"data.rotation is {rotation}: it must be auto or between 0 and 180 degrees")
    for name, value, low in (
        ("batch_size", config.batch_size, 1),
        ("data.steps_per_epoch", config.data.steps_per_epoch, 1),
        ("scoring.sigma", config.scoring.sigma, 0),
        ("checkpoint_minutes", config.get("checkpoint_minutes", 5), 0),
    ):
        if not isinstance(value, int | float) or value < low:
            raise UserError(f"{name} is {value}: it must be at least {low}")
    for name, known in CHOICES.items():
        value = OmegaConf.select(config, name)
        if value is not None and value not in known:
            raise UserError(f"{name} is {value}: it must be one of {', '.join(known)}")
    check_system(config)
    tile = config.scoring.tile
    if tile != "train_size" and (not isinstance(tile, int) or tile < 0):
        raise UserError(f"scoring.tile is {tile}: it must be train_size, a number of pixels or 0 (whole images)")
    devices = config.trainer.devices
    if devices not in (1, "auto", [0]):
        if "ddp" not in str(config.trainer.get("strategy")) or not isinstance(devices, int) or devices < 1:
            raise UserError(f"trainer.devices is {devices}: for several processes add trainer=ddp, else leave it at 1")
        if config.batch_size % devices:
            raise UserError(f"batch_size is {config.batch_size}: {devices} processes can't take equal shares of that")
    workers = config.data.num_workers
    if workers != "auto" and (not isinstance(workers, int) or workers < 0):
        raise UserError(f"data.num_workers is {workers}: it must be auto or at least 0")
    min_area = config.category.min_area
    if min_area is not None and (not isinstance(min_area, int) or min_area < 1):
        raise UserError(f"category.min_area is {min_area}: a component has 1, 2 or more pixels; null chooses by image size")
    if not 0 < config.data.validation_share < 1:
        raise UserError(
            f"data.validation_share is {config.data.validation_share}: it must lie between 0 and 1, since held-out normal "
            "images calibrate the threshold"
        )


def heading(config: DictConfig) -> str:
    """What a run is, over its pictures: data, category and objective, or the model where there is no objective."""
    what = config.model.name if config.objective.name == "none" else config.objective.name
    return f"{config.data.name} {config.category.name}, {what}"


def not_by_error(error: str, model: str) -> str:
    """What is said to who asks for an error where a detector compares features."""
    return f"scoring.error is {error}: model={model} is scored by its features, leave scoring.error out"


def check_system(config: DictConfig) -> None:
    """UserError where model, objective and scoring don't belong together."""
    model, objective, error = config.model.name, config.objective, config.scoring.error
    by_features = bool(config.scoring.get("detector"))
    if not by_features and error not in ERRORS:
        raise UserError(
            f"scoring.error is {error}: it must be one of {', '.join(ERRORS)}, as model={model} has no features to compare; "
            "model=knn and patch_ae have"
        )
    if by_features and error in ERRORS:
        raise UserError(not_by_error(error, model))
    if objective.get("target") == "X_hat" and not by_features:
        raise UserError(
            f"objective={objective.name} has defects reconstructed as they are, so that no error shows them: it goes with "
            f"model=patch_ae and its features, not with model={model} and {error}"
        )
