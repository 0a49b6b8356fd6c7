"""A run that is there already, to be scored again: its configuration, what of it may be changed, its checkpoint."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import UserError, ending_in_a_sentence
from anomaly_lab.runs import directory
from anomaly_lab.runs.finished import require_run

RECORD = "source.json"  # in the directory of an evaluation: which run it comes from
# What may differ from the training; all else is in the weights, or chose them.
CHANGEABLE = (
    "data", "data.root", "category.min_area", "calibration", "scoring.error", "scoring.sigma", "scoring.tile",
    "scoring.pooling", "metrics", "trainer.accelerator", "trainer.precision", "test.save_heatmaps",
)  # fmt: skip
DECISIVE = ("calibration", "category", "scoring")  # what the threshold depends on: where one is given, it is calibrated anew


def evaluation_name(run: str | None, overrides: str) -> str:
    """A directory's name from the run's, without its time, and what is changed."""
    own = re.sub(r"^[\d_-]+_", "", Path(run or "").name)
    return directory.directory_name(f"evaluate_{overrides}_{own}" if overrides else f"evaluate_{own}")


OmegaConf.register_new_resolver("evaluation_name", evaluation_name, replace=True)


class Guard(Callback):
    """Looks at the run and at the new directory before Hydra writes its own records there."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        new = Path(config.hydra.run.dir)
        with ending_in_a_sentence():
            source = require_run(config.run).resolve()
            keys = changed_keys(config.hydra.overrides.task)
            require_new(new, source, changes(config.hydra.overrides.task, keys))
            try:
                new.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{new} cannot be written to ({error.strerror}): choose another directory with out=") from error

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            if config.out is not None:
                raise UserError("out= names one directory, and a multirun makes several: give hydra.sweep.dir= instead")


def require_new(new: Path, source: Path, changed: Sequence[str]) -> None:
    """UserError where an evaluation would write over a run: that in `source`, or one in `new`, unless it is this very
    evaluation, cut off."""
    if source == new.resolve() or source in new.resolve().parents:
        raise UserError(f"{new} lies in the run itself, which stays as it is: choose another directory with out=")
    if (new / RECORD).is_file() and not (new / "metrics.json").is_file():
        record = json.loads((new / RECORD).read_text(encoding="utf-8"))
        if (record["run"], record["changed"]) == (str(source), list(changed)):
            return
    if (new / "config.yaml").exists():
        raise UserError(f"{new} holds a run already: choose a new directory with out=, or hydra.sweep.dir= for several")


def changed_keys(overrides: Sequence[str]) -> list[str]:
    """The keys that the command line changes in the run. UserError for one that belongs to the training."""
    keys = [override.lstrip("+~").split("=", 1)[0] for override in overrides]
    keys = [key for key in keys if key not in ("run", "out", "mvtec_root")]
    for key in keys:
        if key not in CHANGEABLE and not key.startswith("calibration."):
            raise UserError(
                f"{key} belongs to the training and lies in the weights: an evaluation can change {', '.join(CHANGEABLE)}"
            )
    return keys


def changes(overrides: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Of a command line, what changes the run: the overrides of these keys."""
    return [o for o in overrides if o.lstrip("+~").split("=", 1)[0] in keys]


def overlaid(stored: Any, given: DictConfig, keys: Sequence[str]) -> Any:
    """The run's configuration with what the command line gave. UserError where real images would count as the embedded ones."""
    if "data.root" in keys and "data" not in keys and stored.data.name == "synthetic":
        raise UserError("the run was trained on the embedded data set: to score other images say so, data=mvtec data.root=DIR")
    config: Any = OmegaConf.create(OmegaConf.to_container(stored))
    for key in keys:
        if key == "data":
            config.data.name, config.data.root, config.data.reader = given.data.name, given.data.root, given.data.reader
        elif key.startswith("calibration"):
            config.calibration = given.calibration
        else:
            OmegaConf.update(config, key, OmegaConf.select(given, key))
    if any(key.startswith("data") for key in keys) and config.data.root is not None:
        config.data.root = str(Path(config.data.root).expanduser().resolve())
    config.test = {"save_heatmaps": given.test.save_heatmaps}
    config.logger = None
    return config
