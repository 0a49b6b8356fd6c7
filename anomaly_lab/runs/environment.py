"""environment.json: the versions, commit, machine and command line of a run."""

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

from anomaly_lab.files import read_json, write_json

HERE = Path(__file__).parent.parent  # the folder of this package
PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "albumentations", "opencv-python-headless", "numpy")


def environment() -> dict[str, Any]:
    """What one needs to know about a run besides its configuration."""
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [sys.executable, *sys.orig_argv[1:]],
        "anomaly_lab": version_of("anomaly_lab"),
        "git": _git(),
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in PACKAGES},
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def write_environment(run: Path, prints: dict[str, str], resuming: bool) -> None:
    """Write environment.json, with the digests `prints`. For a resumed run, append to its list "resumed" instead."""
    path = run / "environment.json"
    record = environment() | {"fingerprint": prints}
    if resuming and path.is_file():
        first = read_json(path)
        record = first | {"resumed": [*first.get("resumed", []), record]}
    write_json(path, record)


def version_of(package: str) -> str | None:
    """The installed version of a package, None if it isn't installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """The commit of this package's checkout, and whether files were changed since; None outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", *arguments], cwd=HERE, stderr=subprocess.DEVNULL, text=True, timeout=10).strip()

    try:
        if not git("ls-files", "__init__.py"):  # the package is installed inside another project's checkout
            return None
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()
