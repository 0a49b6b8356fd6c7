"""What an evaluation changes in a run's configuration, and where it may write its results."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import Refused, UserError, ending_in_a_sentence
from anomaly_lab.files import make_folder, read_json
from anomaly_lab.runs import directory

RECORD = "source.json"  # file in an evaluation's directory that names the run
KEEPING = ("run", "out", "mvtec_root")  # options of evaluate that change nothing in the run's configuration
PLACES = ("data.normal", "data.defects", "data.masks")  # folders of data=folders
# keys that an evaluation may change; the weights depend on all others
CHANGEABLE = (
    "data", "data.root", *PLACES, "data.rescale", "category.min_area", "calibration", "scoring", "scoring.evidence",
    "scoring.weights", "scoring.sigma", "scoring.tile", "scoring.pooling", "metrics", "trainer.accelerator",
    "trainer.precision", "test.save_heatmaps",
)  # fmt: skip
DECISIVE = ("calibration", "category", "scoring")  # the threshold depends on these groups


def evaluation_name(run: str | None, overrides: str) -> str:
    """The name of an evaluation's directory: the changes, then the run's name without its time."""
    own = re.sub(r"^[\d_-]+_", "", Path(run or "").name)
    return directory.directory_name(f"evaluate_{overrides}_{own}" if overrides else f"evaluate_{own}")


OmegaConf.register_new_resolver("evaluation_name", evaluation_name, replace=True)


class Guard(Callback):
    """Checks the run and the new directory before Hydra writes its own records there."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            new = Path(config.hydra.run.dir)
            source = directory.require_run(config.run).resolve()
            require_new(new, source, changes(config.hydra.overrides.task))
            make_folder(new, "out=")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            if config.out is not None:
                raise UserError("out= names one directory, but a multirun makes several: give hydra.sweep.dir= instead")


def require_new(new: Path, source: Path, changed: Mapping[str, str]) -> None:
    """Refused if an evaluation in `new` would overwrite the run in `source`, or one in `new` that is not the same, cut off."""
    if source == new.resolve() or source in new.resolve().parents:
        raise Refused(f"{new} lies in the run itself, which is only read: choose another directory with out=")
    if (new / RECORD).is_file() and not (new / "metrics.json").is_file():
        record = read_json(new / RECORD)
        if (record.get("run"), record.get("changed")) == (str(source), told(changed)):
            return
    if (new / "config.yaml").exists():
        raise Refused(f"{new} holds a run already: choose a new directory with out=, or hydra.sweep.dir= for several")


def calibrated_on(run: Path) -> str | None:
    """The folder of the images that the command `calibrate` gave a run, or the run behind an evaluation, its threshold from."""
    record = read_json(run / RECORD) if (run / RECORD).is_file() else {}
    found = record.get("calibrated_on") or (directory.finished_metrics(run) or {}).get("calibrated_on")
    return None if found is None else str(found)


def changes(overrides: Sequence[str]) -> dict[str, str]:
    """The changes of a command line: key → override. UserError for a key that belongs to the training.

    scoring=NAME stands for its keys and the calibration, which get this override. Other evidence brings other weights.
    """
    given = ((override.lstrip("+~").split("=", 1)[0], override) for override in overrides)
    changed = {key: override for key, override in given if key not in KEEPING}
    for key in changed:
        if key not in CHANGEABLE and not key.startswith("calibration."):
            remedy = f"an evaluation can change {', '.join(CHANGEABLE)}"
            raise UserError(f"{key} belongs to the training, and the weights depend on it: {remedy}")
    if protocol := changed.pop("scoring", None):
        own = [key for key in CHANGEABLE if key.startswith("scoring.")]
        changed = dict.fromkeys([*own, "calibration"], protocol) | changed
    if "scoring.evidence" in changed:
        changed.setdefault("scoring.weights", changed["scoring.evidence"])
    return changed


def told(changed: Mapping[str, str]) -> list[str]:
    """The overrides of the changes, each once."""
    return list(dict.fromkeys(changed.values()))


def overlaid(stored: Any, given: DictConfig, keys: Collection[str]) -> Any:
    """The configuration `stored` with the values of `keys` from `given`.

    UserError if real images would count as synthetic, and for a place of images that changes nothing.
    """
    if "data.root" in keys and "data" not in keys and stored.data.name == "synthetic":
        raise UserError("the run was trained on the embedded data set: to score other images, add data=folder data.root=DIR")
    config: Any = OmegaConf.create(OmegaConf.to_container(stored))
    for key in keys:
        if key == "data":
            config.data.name, config.data.root = given.data.name, given.data.root
            config.data.reader = OmegaConf.to_container(given.data.reader, resolve=True)  # it may refer to keys of the new data
        elif key in PLACES:
            name = key.removeprefix("data.")
            if name not in config.data.reader and "data" not in keys:
                raise UserError(f"{key} is for data=folders, and the run has data={stored.data.name}: add data=folders")
            config.data[name] = config.data.reader[name] = OmegaConf.select(given, key)
        elif key.startswith("calibration"):
            config.calibration = given.get("calibration") or config.calibration  # scoring=default names no rule
        else:
            OmegaConf.update(config, key, OmegaConf.select(given, key))
    if any(key.startswith("data") for key in keys) and config.data.root is not None:
        config.data.root = str(Path(config.data.root).expanduser().resolve())
    if "data.root" in keys and not set(PLACES) & set(keys):
        _require_seen_from_root(config)
    config.test = {"save_heatmaps": given.test.save_heatmaps}
    config.logger = None
    return config


def _require_seen_from_root(config: Any) -> None:
    """UserError if the folders of data=folders are whole paths, so that data.root changes nothing."""
    places = {key: config.data.reader.get(key.removeprefix("data.")) for key in PLACES}
    named = {key: place for key, place in places.items() if place is not None}
    if named and all(Path(place).expanduser().is_absolute() for place in named.values()):
        known = ", ".join(f"{key}={place}" for key, place in named.items())
        raise UserError(f"data.root={config.data.root} changes nothing, since the run has {known}: give these anew")
