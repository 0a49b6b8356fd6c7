"""A run's directory: its name, whose it is, and the records that tell where its numbers come from."""

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

FAILURE = "error.txt"  # the sentence that a failed run ended with, for the report
LONGEST_NAME = 120  # bytes; file systems end at 255


def directory_name(overrides: str, longest: int = LONGEST_NAME) -> str:
    """Hydra's override_dirname as one folder's name of at most `longest` bytes: what a file system may not hold becomes "-"."""
    name = re.sub(r"[^\w=,.-]+", "-", overrides).encode()[:longest].decode(errors="ignore")
    return name.strip("-.,+") or "defaults"


def sweep_directory(overrides: Sequence[str]) -> str:
    """A multirun's folder: the same command finds its jobs again. In any order, and whatever says nothing about the result."""
    counting = sorted(o for o in overrides if not fingerprint.is_neutral(o.lstrip("+~").split("=", 1)[0]))
    return _named(",".join(counting), files.digest(counting))


def job_directory(overrides: str, *, _root_: DictConfig) -> str:
    """A job's folder in that of its multirun: its overrides, and a digest of its whole configuration."""
    return _named(overrides, files.digest(fingerprint.normalised(_root_)))


def _named(overrides: str, identity: str) -> str:
    short = identity[: fingerprint.LENGTH]
    return f"{directory_name(overrides, LONGEST_NAME - len(short) - 1)}_{short}"


def in_multirun() -> bool:
    """Whether the job at hand is one of several; False outside of a job."""
    return HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().job, "num")


def study() -> str | None:
    """The name of the multirun that a job belongs to, None for a single run."""
    if not in_multirun():
        return None
    return Path(HydraConfig.get().runtime.output_dir).parent.name[:128]  # longer groups are refused by W&B


OmegaConf.register_new_resolver("study", study, replace=True)
OmegaConf.register_new_resolver("directory_name", directory_name, replace=True)
# cached: the jobs of a multirun take over the folder that the multirun's own overrides gave
OmegaConf.register_new_resolver("sweep_directory", sweep_directory, replace=True, use_cache=True)
OmegaConf.register_new_resolver("job_directory", job_directory, replace=True)
OmegaConf.register_new_resolver("resume_or", lambda resume, new: resume or new, replace=True)
OmegaConf.register_new_resolver("records", lambda resume: None if resume else ".hydra", replace=True)


class Guard(Callback):
    """Looks at a run's directory before Hydra writes its own records there, or fails to with a stack trace."""

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
    """UserError where the run in `run` is another than the one that is asked for, or has finished."""
    if differing:
        others = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
        raise Refused(
            f"{run} holds a run already, and another: {'; '.join(differing[:3])}{others}; choose another directory with "
            f"hydra.run.dir=, or continue what is there with resume={run}"
        )
    if (run / "metrics.json").is_file():
        raise Refused(
            f"{run} holds a run already, which has finished: its metrics are in {run / 'metrics.json'}; to train anew choose "
            "another directory with hydra.run.dir="
        )


def stored_config(run: Path) -> Any:
    """The configuration of the run in `run`. UserError where there is none or the run has finished."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{run} holds no run to resume: it has no config.yaml")
    if (run / "source.json").is_file():
        raise UserError(f"{run} is an evaluation and holds no training to resume: start python -m anomaly_lab.evaluate again")
    if (run / "metrics.json").is_file():
        raise UserError(f"{run} has finished already: its metrics are in {run / 'metrics.json'}")
    return OmegaConf.load(run / "config.yaml")


def resumed_config(run: Path, config: DictConfig, overrides: Sequence[str]) -> Any:
    """The configuration stored in `run`. What is given beside resume= must say the same, else it is a UserError, but for what
    says nothing about the result, such as data.num_workers: there what is given holds."""
    stored = stored_config(run)
    keys = [override.lstrip("+~").split("=", 1)[0].replace("/", ".").split("@")[0] for override in overrides]
    if differing := fingerprint.differences(stored, config, keys):
        what = "; ".join(differing)
        raise Refused(f"{run} is resumed with the configuration stored there, and {what}: leave that out, or start a new run")
    for key in keys:
        if fingerprint.is_neutral(key) and key != "resume":
            OmegaConf.update(stored, key, OmegaConf.select(config, key), merge=False, force_add=True)
    OmegaConf.resolve(stored)  # what is given may refer to Hydra's records, which other processes of the run don't have
    return stored
