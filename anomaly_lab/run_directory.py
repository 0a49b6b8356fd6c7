"""A run's directory: its name, whose it is, and the records that tell where its numbers come from."""

import json
import os
import platform
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from anomaly_lab.atomic import write_text
from anomaly_lab.errors import UserError

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "albumentations", "opencv-python-headless", "numpy")
LONGEST_NAME = 120  # file systems end at 255 bytes


def directory_name(overrides: str) -> str:
    """Hydra's override_dirname as one folder's name: what a file system may not hold becomes "-", long ones are cut."""
    return re.sub(r"[^\w=,.-]+", "-", overrides)[:LONGEST_NAME].strip("-.,+") or "defaults"


def wandb_offline() -> bool:
    """Whether W&B has no key to send with: an environment variable or an entry in ~/.netrc."""
    netrc = Path("~/.netrc").expanduser()
    return not (os.environ.get("WANDB_API_KEY") or (netrc.is_file() and "api.wandb.ai" in netrc.read_text()))


OmegaConf.register_new_resolver("directory_name", directory_name, replace=True)
OmegaConf.register_new_resolver("resume_or", lambda resume, new: resume or new, replace=True)
OmegaConf.register_new_resolver("wandb_offline", wandb_offline, replace=True)


def claim(run: Path) -> None:
    """Make `run` this process's directory. UserError where it holds a run already, or can't be written to."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        # created exclusively: of two processes that start at the same moment, one gets it
        os.close(os.open(run / ".claimed", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        raise UserError(
            f"{run} holds a run already: continue it with resume={run}, or choose another directory with hydra.run.dir="
        ) from None
    except OSError as error:
        why = f"{run} cannot be written to ({error.strerror}): choose another directory with hydra.run.dir="
        raise UserError(why) from error


def stored_config(run: Path) -> Any:
    """The configuration of the run in `run`. UserError where there is none or the run has finished."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{run} holds no run to resume: it has no config.yaml")
    if (run / "metrics.json").is_file():
        raise UserError(f"{run} has finished already: its metrics are in {run / 'metrics.json'}")
    return OmegaConf.load(run / "config.yaml")


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


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record atomically; NaN and infinity have no place in JSON and are refused."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")


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
