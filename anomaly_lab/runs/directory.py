"""A run's directory: its name, which run it belongs to, and the files there. The network is not loaded."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from anomaly_lab import files
from anomaly_lab.errors import Refused, UserError, ending_in_a_sentence, printable
from anomaly_lab.runs import fingerprint

FROM_COPY = "restore it from a copy, or make the run anew"
FAILURE = "error.txt"  # why the run failed, in one sentence, for the report
LONGEST_NAME = 120  # bytes; file systems allow 255


def directory_name(overrides: str, longest: int = LONGEST_NAME) -> str:
    """Hydra's override_dirname as a folder's name of at most `longest` bytes; "-" for what a file system may refuse."""
    name = re.sub(r"[^\w=,.-]+", "-", overrides).encode()[:longest].decode(errors="ignore")
    return name.strip("-.,+") or "defaults"


def sweep_directory(overrides: Sequence[str]) -> str:
    """The name of a multirun's folder. The order of the overrides and the values of neutral keys don't change it."""
    counting = _counting(overrides)
    return _named(",".join(counting), files.digest(counting))


def _counting(overrides: Sequence[str]) -> list[str]:
    return sorted(o for o in overrides if not fingerprint.is_below(o.lstrip("+~").split("=", 1)[0], fingerprint.NEUTRAL))


def search_directory(overrides: Sequence[str], config: DictConfig) -> str:
    """The name of a search's folder: the overrides of its training command, and a digest as of a job."""
    return job_directory(",".join(_counting(overrides)), _root_=config)


def job_directory(overrides: str, *, _root_: DictConfig) -> str:
    """The name of a job's folder in its multirun's folder: the job's overrides and a digest of its configuration and place of
    data. Jobs on other images may share the folder of a multirun; where the same images have moved, `resume` finds the job."""
    return _named(overrides, files.digest([fingerprint.normalised(_root_), place_of_data(_root_)]))


def place_of_data(config: DictConfig) -> str | None:
    """The folder that data.root names; None for the embedded data, which are the same everywhere."""
    root = OmegaConf.select(config, "data.root")
    synthetic = OmegaConf.select(config, "data.name") == "synthetic"
    return None if root is None or synthetic else str(Path(root).expanduser().resolve())


def _named(overrides: str, identity: str) -> str:
    short = identity[: fingerprint.LENGTH]
    return f"{directory_name(overrides, LONGEST_NAME - len(short) - 1)}_{short}"


def in_multirun() -> bool:
    """Whether the current job is part of a multirun. False outside a job."""
    return HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().job, "num")


def study() -> str | None:
    """The name of the multirun that the current job is part of, None for a single run."""
    # W&B refuses longer names of groups
    return Path(HydraConfig.get().runtime.output_dir).parent.name[:128] if in_multirun() else None


OmegaConf.register_new_resolver("study", study, replace=True)
OmegaConf.register_new_resolver("directory_name", directory_name, replace=True)
# cached, as the jobs of a multirun must use the folder that follows from the multirun's own overrides
OmegaConf.register_new_resolver("sweep_directory", sweep_directory, replace=True, use_cache=True)
OmegaConf.register_new_resolver("job_directory", job_directory, replace=True)
OmegaConf.register_new_resolver("resume_or", lambda resume, new: resume or new, replace=True)
OmegaConf.register_new_resolver("records", lambda resume: None if resume else ".hydra", replace=True)


class Guard(Callback):
    """Checks a run's directory before Hydra writes there: it would overwrite another run's records or print a stack trace."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            run = Path(config.hydra.run.dir)
            if config.resume is not None:
                stored_config(run)
            elif (run / "config.yaml").is_file():
                refuse_other(run, fingerprint.differences(config_of(run), config))
            files.make_folder(run, "hydra.run.dir=")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            files.make_folder(Path(config.hydra.sweep.dir), "hydra.sweep.dir=")


def config_of(run: Path) -> Any:
    """The configuration stored in the run's directory. UserError if the file is damaged."""
    path = run / "config.yaml"
    try:
        config = OmegaConf.load(path)
    except (ValueError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path} is damaged ({printable(str(error))}): {FROM_COPY}") from error
    if not isinstance(config, DictConfig) or "seed" not in config:
        raise UserError(f"{path} is damaged (it is no run's configuration): {FROM_COPY}")
    return config


def refuse_other(run: Path, differing: Sequence[str]) -> None:
    """Raise Refused if the run in `run` differs from the one to be run, as the clauses `differing` say, or has finished."""
    if differing:
        what = "; ".join(differing[:3]) + (f" (and {len(differing) - 3} more)" if len(differing) > 3 else "")
        remedy = f"choose another directory with hydra.run.dir=, or continue the run there with resume={run}"
        raise Refused(f"{run} holds a run already, and another: {what}; {remedy}")
    if (run / "metrics.json").is_file():
        what = f"{run} holds a run already, which has finished: its metrics are in {run / 'metrics.json'}"
        raise Refused(f"{what}; to train anew choose another directory with hydra.run.dir=, to train it further add init={run}")


def stored_config(run: Path) -> Any:
    """The configuration of the run in `run`, which is to be resumed. UserError if there is no such run or it has finished."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{run} holds no run to resume: it has no config.yaml")
    if (run / "source.json").is_file():
        raise UserError(f"{run} is an evaluation and holds no training to resume: start python -m anomaly_lab.evaluate again")
    if (run / "metrics.json").is_file():
        raise UserError(
            f"{run} has finished already: its metrics are in {run / 'metrics.json'}; to train its weights further, start a new "
            f"run with init={run}"
        )
    return config_of(run)


def resumed_config(run: Path, config: DictConfig, overrides: Sequence[str]) -> Any:
    """The configuration stored in `run`, for resume=, with neutral keys, such as data.num_workers, from the command line.

    `config` is what the options `overrides` on the command line give. Refused if another key differs. An option that is no key
    itself, such as debug=limit, may set any: then all are compared.
    """
    stored = stored_config(run)
    keys = [_key(override) for override in overrides]
    many = [o for o, key in zip(overrides, keys, strict=True) if not {key.split(".")[0]} & {"hydra", *config, *stored}]
    if differing := fingerprint.differences(stored, config, None if many else keys):
        what = f"{', '.join(many)} may set any key: " if many else ""
        what += "; ".join(differing[:3]) + (f" (and {len(differing) - 3} more)" if len(differing) > 3 else "")
        raise Refused(f"{run} is resumed with the configuration stored there, and {what}; leave that out, or start a new run")
    for key in keys:
        if fingerprint.is_below(key, fingerprint.NEUTRAL) and key != "resume":
            OmegaConf.update(stored, key, OmegaConf.select(config, key), merge=False, force_add=True)
    OmegaConf.resolve(stored)  # values from the command line may refer to Hydra's own configuration, which is not stored
    return stored


def _key(override: str) -> str:
    """The key that an override sets: "seed" of seed=1, and "validation_corruption" of corruption@validation_corruption=swap."""
    group, _, package = override.lstrip("+~").split("=", 1)[0].partition("@")
    return (package or group).replace("/", ".")


def require_run(run: str | Path | None) -> Path:
    """The directory of a trained run. UserError if it holds no run or no best.ckpt."""
    if run is None:
        raise UserError("no run: give run=DIRECTORY, a directory that anomaly_lab.train has made")
    path = Path(run)
    if not (path / "config.yaml").is_file():
        job = min((child.parent for child in path.glob("*/config.yaml")), default=None)
        remedy = f"it holds several, run={job} is one" if job else "give a directory that anomaly_lab.train has made"
        raise UserError(f"{path} holds no run: {remedy}")
    if not best_checkpoint(path).is_file():
        remedy = f"its training has not ended, so continue it with python -m anomaly_lab.train resume={path}"
        raise UserError(f"{path} has no checkpoints/best.ckpt: {remedy}")
    return path


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of a run with the last step's weights and the threshold. It exists once the run is calibrated."""
    return run / "checkpoints" / "best.ckpt"


def finished_metrics(run: Path) -> dict[str, Any] | None:
    """metrics.json of the run; None if the run has not finished."""
    path = run / "metrics.json"
    return files.read_json(path) if path.is_file() else None


def held_out_levels(run: Path) -> list[dict[str, Any]]:
    """The rows of levels.csv for the held-out images, valid for the run's own scoring. Without the file there are none.

    UserError if it is damaged.
    """
    path = run / "levels.csv"
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding=files.READ) as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row is not whole")
    except (ValueError, KeyError, csv.Error) as error:
        raise UserError(f"{path} is damaged ({error}): {FROM_COPY}") from error
    return rows
