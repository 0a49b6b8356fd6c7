"""A run's directory: its name, which run it belongs to, and the configuration stored there."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import files
from anomaly_lab.errors import Refused, UserError, ending_in_a_sentence
from anomaly_lab.runs import fingerprint

FAILURE = "error.txt"  # why the run failed, in one sentence, for the report
LONGEST_NAME = 120  # bytes; file systems allow 255


def directory_name(overrides: str, longest: int = LONGEST_NAME) -> str:
    """Hydra's override_dirname as a folder's name of at most `longest` bytes. Characters that a file system may refuse become
    "-"."""
    name = re.sub(r"[^\w=,.-]+", "-", overrides).encode()[:longest].decode(errors="ignore")
    return name.strip("-.,+") or "defaults"


def sweep_directory(overrides: Sequence[str]) -> str:
    """The name of a multirun's folder. The same command gives the same name, whatever the order of its overrides and the values
    of neutral keys, so that it finds its jobs again."""
    counting = sorted(o for o in overrides if not fingerprint.is_neutral(o.lstrip("+~").split("=", 1)[0]))
    return _named(",".join(counting), files.digest(counting))


def job_directory(overrides: str, *, _root_: DictConfig) -> str:
    """The name of a job's folder in its multirun's folder: the job's overrides and a digest of its whole configuration."""
    return _named(overrides, files.digest(fingerprint.normalised(_root_)))


def _named(overrides: str, identity: str) -> str:
    short = identity[: fingerprint.LENGTH]
    return f"{directory_name(overrides, LONGEST_NAME - len(short) - 1)}_{short}"


def in_multirun() -> bool:
    """Whether the current job is part of a multirun. False outside a job."""
    return HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().job, "num")


def study() -> str | None:
    """The name of the multirun that the current job is part of, None for a single run."""
    if not in_multirun():
        return None
    return Path(HydraConfig.get().runtime.output_dir).parent.name[:128]  # W&B refuses longer names of groups


OmegaConf.register_new_resolver("study", study, replace=True)
OmegaConf.register_new_resolver("directory_name", directory_name, replace=True)
# cached, as the jobs of a multirun must use the folder that follows from the multirun's own overrides
OmegaConf.register_new_resolver("sweep_directory", sweep_directory, replace=True, use_cache=True)
OmegaConf.register_new_resolver("job_directory", job_directory, replace=True)
OmegaConf.register_new_resolver("resume_or", lambda resume, new: resume or new, replace=True)
OmegaConf.register_new_resolver("records", lambda resume: None if resume else ".hydra", replace=True)


class Guard(Callback):
    """Checks a run's directory before Hydra writes its own records there: Hydra would overwrite another run's records, or end
    in a stack trace."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        run = Path(config.hydra.run.dir)
        with ending_in_a_sentence():
            if config.resume is not None:
                stored_config(run)
            elif (run / "config.yaml").is_file():
                refuse_other(run, fingerprint.differences(OmegaConf.load(run / "config.yaml"), config))
            files.make_folder(run, "hydra.run.dir=")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            files.make_folder(Path(config.hydra.sweep.dir), "hydra.sweep.dir=")


def refuse_other(run: Path, differing: Sequence[str]) -> None:
    """Raise Refused if the run in `run` differs from the one to be run, as the clauses `differing` say, or has finished."""
    if differing:
        others = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
        raise Refused(
            f"{run} holds a run already, and another: {'; '.join(differing[:3])}{others}; choose another directory with "
            f"hydra.run.dir=, or continue the run there with resume={run}"
        )
    if (run / "metrics.json").is_file():
        raise Refused(
            f"{run} holds a run already, which has finished: its metrics are in {run / 'metrics.json'}; to train anew choose "
            "another directory with hydra.run.dir="
        )


def stored_config(run: Path) -> Any:
    """The configuration of the run in `run`, which is to be resumed. UserError if there is no such run or it has finished."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{run} holds no run to resume: it has no config.yaml")
    if (run / "source.json").is_file():
        raise UserError(f"{run} is an evaluation and holds no training to resume: start python -m anomaly_lab.evaluate again")
    if (run / "metrics.json").is_file():
        raise UserError(f"{run} has finished already: its metrics are in {run / 'metrics.json'}")
    return OmegaConf.load(run / "config.yaml")


def resumed_config(run: Path, config: DictConfig, overrides: Sequence[str]) -> Any:
    """The configuration stored in `run`, for resume=.

    `overrides` are the options on the command line and `config` is the configuration that they give. Neutral keys, such as
    data.num_workers, take the values from the command line. For other keys Refused is raised if the values differ.
    """
    stored = stored_config(run)
    keys = [override.lstrip("+~").split("=", 1)[0].replace("/", ".").split("@")[0] for override in overrides]
    if differing := fingerprint.differences(stored, config, keys):
        what = "; ".join(differing)
        raise Refused(f"{run} is resumed with the configuration stored there, and {what}: leave that out, or start a new run")
    for key in keys:
        if fingerprint.is_neutral(key) and key != "resume":
            OmegaConf.update(stored, key, OmegaConf.select(config, key), merge=False, force_add=True)
    OmegaConf.resolve(stored)  # values from the command line may refer to Hydra's own configuration, which is not stored
    return stored
