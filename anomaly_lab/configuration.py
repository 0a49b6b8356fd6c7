"""What a configuration may say: mistakes that Hydra's composition can't see, each answered in one sentence."""

from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from anomaly_lab.errors import UserError

SMALLEST = 32  # pixels: 4 × 4 in the bottleneck; below, there is no context to restore a patch from


def check(config: DictConfig) -> None:
    """UserError for the first value that makes no sense."""
    try:
        if isinstance(config.get("category"), str | None):
            raise UserError("category must come from its group: write +category=carpet (the + is needed)")
        _ = config.category.name
    except MissingMandatoryValue as error:
        raise UserError(
            "no category: add +category=carpet or, for a folder of your own, +category=custom category.name=FOLDER"
        ) from error
    lam = config.objective.get("lam")
    if lam is not None and not 0 <= lam <= 1:
        raise UserError(f"objective.lam is {lam}: λ weights the two terms of the objective and must lie in [0, 1]")
    size = config.image_size
    if size != "auto" and (not isinstance(size, int) or size < SMALLEST):
        raise UserError(
            f"image_size is {size}: it must be auto or at least {SMALLEST} pixels, as the network shrinks its input eightfold"
        )
    train_size = config.data.train_size
    if train_size != 0 and train_size < SMALLEST:
        raise UserError(f"data.train_size is {train_size}: it must be 0 (whole images) or at least {SMALLEST} pixels")
    for name, value, low in (
        ("batch_size", config.batch_size, 1),
        ("data.steps_per_epoch", config.data.steps_per_epoch, 1),
        ("data.num_workers", config.data.num_workers, 0),
        ("scoring.sigma", config.scoring.sigma, 0),
    ):
        if value < low:
            raise UserError(f"{name} is {value}: it must be at least {low}")
    if not 0 < config.data.validation_share < 1:
        raise UserError(
            f"data.validation_share is {config.data.validation_share}: it must lie between 0 and 1, since held-out normal "
            "images calibrate the threshold"
        )
