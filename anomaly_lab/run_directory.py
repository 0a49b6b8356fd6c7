"""A run's directory: its name, whose it is, and the records that tell where its numbers come from."""

import json
import os
import platform
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import files, fingerprint
from anomaly_lab.errors import InUse, Refused, UserError, ending_in_a_sentence
from anomaly_lab.files import write_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "albumentations", "opencv-python-headless", "numpy")
CLAIM = ".claimed"  # the file that makes a directory one process's own
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


def quoted(argument: str) -> str:
    """A command-line argument as Hydra understands it: a run directory given as it is called gets quotes around it."""
    name, equals, value = argument.partition("=")
    named = name in ("resume", "run", "out", "hydra.run.dir", "hydra.sweep.dir")
    if not named or not equals or value.startswith(("'", '"')) or "${" in value:
        return argument
    escaped = value.replace("'", r"\'")
    return f"{name}='{escaped}'"


def placed(arguments: list[str]) -> list[str]:
    """The command line with a place for the run where its configuration is another run's config.yaml: it holds none."""
    given = "--config-name config" in " ".join(arguments).replace("=", " ")
    if not given or any(argument.startswith("hydra.run.dir=") for argument in arguments):
        return arguments
    return [*arguments, f"hydra.run.dir=runs/{datetime.now():%Y-%m-%d_%H-%M-%S-%f}_again"]


def wandb_offline() -> bool:
    """Whether W&B has no key to send with (an environment variable or an entry in ~/.netrc), or no network."""
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    netrc = Path("~/.netrc").expanduser()
    if not (os.environ.get("WANDB_API_KEY") or (netrc.is_file() and host in netrc.read_text())):
        return True
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return True
    return False


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
OmegaConf.register_new_resolver("wandb_offline", wandb_offline, replace=True)


class Guard(Callback):
    """Looks at a run's directory before Hydra writes its own records there, or fails to with a stack trace."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        run = Path(config.hydra.run.dir)
        with ending_in_a_sentence():
            if config.resume is not None:
                stored_config(run)
            elif (run / "config.yaml").is_file():
                refuse_other(run, fingerprint.differences(OmegaConf.load(run / "config.yaml"), config))
            _make(run)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        with ending_in_a_sentence():
            _make(Path(config.hydra.sweep.dir), "hydra.sweep.dir=")


def _make(folder: Path, key: str = "hydra.run.dir=") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error, key) from error


def _unwritable(folder: Path, error: OSError, key: str = "hydra.run.dir=") -> UserError:
    return UserError(f"{folder} cannot be written to ({error.strerror}): choose another directory with {key}")


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


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold `run` as this process's own while the block runs. UserError where another process holds it."""
    _make(run)
    try:
        file = os.open(run / CLAIM, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise _unwritable(run, error) from error
    try:
        _lock(file, run)
        yield
    finally:
        os.close(file)


def _lock(file: int, run: Path) -> None:
    """Lock an open file; the system lets go of it when the last process that has it open ends, however it ends."""
    if fcntl is None:
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a report that looks at the run holds it for an instant
            time.sleep(0.2)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(f"{run} is in use by another process: wait for its end") from None
    except OSError as error:
        raise UserError(
            f"the file system of {run} can lock no files ({error.strerror}), and without that two processes could write the "
            "same run: choose a directory elsewhere with hydra.run.dir= or hydra.sweep.dir="
        ) from error


def in_use(run: Path) -> bool:
    """Whether a process holds `run` at this moment; False where the system can't tell."""
    try:
        with (run / CLAIM).open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once, as the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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


def environment() -> dict[str, Any]:
    """Versions, git commit, machine and command line: what one needs to know beside the configuration."""
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [sys.executable, *sys.orig_argv[1:]],
        "anomaly_lab": _version("anomaly_lab"),
        "git": _git(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def write_environment(run: Path, prints: dict[str, str], resuming: bool) -> None:
    """environment.json, with digests of configuration, code and data; where the run is resumed, another entry in its list
    "resumed"."""
    path = run / "environment.json"
    record = environment() | {"fingerprint": prints}
    if resuming and path.is_file():
        first = json.loads(path.read_text())
        record = first | {"resumed": [*first.get("resumed", []), record]}
    write_json(path, record)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """The commit of the code that runs and whether it was changed since; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if not git("ls-files", "__init__.py"):  # installed into some other project's checkout
            return None
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
