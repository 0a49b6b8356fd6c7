"""Several jobs at a time: the launchers that Hydra knows, the packages they come from, and each job's share of the cores."""

import functools
import importlib.util
import os
from collections.abc import Sequence
from typing import Any

from anomaly_lab.errors import UserError

# hydra/launcher=… → (the module that must be there, what installs it)
PACKAGES = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "pip install 'anomaly_lab[joblib]'"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "pip install 'anomaly_lab[submitit]'"),
    "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", "pip install 'anomaly_lab[submitit]'"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "pip install hydra-ray-launcher, in an environment of its own"),
}


def require(arguments: Sequence[str]) -> None:
    """UserError where a launcher is asked for that is not installed: Hydra would only list those that are."""
    for argument in arguments:
        key, _, name = argument.partition("=")
        if key == "hydra/launcher" and name in PACKAGES:
            module, remedy = PACKAGES[name]
            if not _is_there(module):
                raise UserError(f"hydra/launcher={name} is not installed: {remedy}")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even hydra_plugins
        return False


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share(launcher: Any, available: int) -> int:
    """The cores of one job, of `available` on its machine, by the options of Hydra's launcher (a mapping): N jobs at a time
    have a share of 1/N each. Where a queue gives a job its cores, these are all `available` and all its own."""
    target = str(launcher.get("_target_", ""))
    if "joblib" in target:
        jobs = int(launcher.get("n_jobs") or 1)
        jobs = jobs if jobs > 0 else max(1, available + 1 + jobs)  # -1: as many as there are cores; -2: one less
        return max(1, available // jobs)
    if "submitit" in target and launcher.get("cpus_per_task"):
        return min(available, int(launcher["cpus_per_task"]))
    if "ray" in target:
        remote = (launcher.get("ray") or {}).get("remote") or {}
        return min(available, max(1, int(remote.get("num_cpus") or 1)))  # Ray gives a task one core unless asked for more
    return available


def set_threads(stored: int | None, share: int) -> None:
    """Compute with `share` threads in this process, or fewer where OMP_NUM_THREADS or the like says so; a run that is resumed
    with the number that is `stored` with it, whatever there are now."""
    import torch

    torch.set_num_threads(stored or min(share, _threads_at_first()))


@functools.cache
def _threads_at_first() -> int:
    import torch

    return torch.get_num_threads()
