"""What a run uses of its machine: memory that the C library keeps, and a number of processor cores."""

import ctypes
import functools
import os
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # numbers in malloc.h
KEPT = 2**31 - 1  # bytes at the end of the heap that may be free before some are returned to the system
FROM_HEAP = 2**28  # blocks of up to 256 MiB come from the heap; larger ones are returned to the system when they are freed


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory in this process. Returns whether it can: only glibc can.

    Else the system finds and clears each page anew: 15 to 20 % of a step of the quarter-width network on a virtual machine.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or Windows
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, FROM_HEAP) and mallopt(M_TRIM_THRESHOLD, KEPT))


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed() -> int:
    """`cores`, or fewer if OMP_NUM_THREADS is lower."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), max(1, int(given))) if given.isdigit() else cores()


def each(parallel: int) -> int:
    """The number of threads for each of so many computations side by side."""
    return -(-allowed() // parallel)


def share(launcher: Any, available: int) -> int:
    """The number of cores for one job, of `available` cores on its machine, by the options of Hydra's launcher.

    If it runs N jobs at a time, each job gets 1/N of the cores. If a queue gives a job its cores, the job uses all of them.
    """
    target = str(launcher.get("_target_", ""))
    if "joblib" in target:
        jobs = int(launcher.get("n_jobs") or 1)
        jobs = jobs if jobs > 0 else max(1, available + 1 + jobs)  # -1 means one job per core, -2 one job less
        return max(1, available // jobs)
    if "submitit" in target and launcher.get("cpus_per_task"):
        return min(available, int(launcher["cpus_per_task"]))
    if "ray" in target:
        remote = (launcher.get("ray") or {}).get("remote") or {}
        return min(available, max(1, int(remote.get("num_cpus") or 1)))  # Ray gives a task one core by default
    return available


def set_threads(stored: int | None, share: int) -> None:
    """Compute with `stored` threads, those of a resumed run, else with `share`, or fewer if OMP_NUM_THREADS is lower."""
    import torch

    torch.set_num_threads(stored or min(share, threads_at_first()))


@functools.cache
def threads_at_first() -> int:
    """The number of threads that torch chooses in this process, by OMP_NUM_THREADS and similar variables."""
    import torch

    return torch.get_num_threads()
