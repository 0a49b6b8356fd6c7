"""The C library's allocator, told to keep what is freed: the next training step needs the same again.

Left alone, glibc gives a step's tensors back to the system when they are freed, and each new one is made of pages that must be
fetched and cleared first: 15 to 20 % of a step of the quarter-width network, on a virtual machine.
"""

import ctypes
import functools
import os
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 2**31 - 1  # bytes free at the end of the heap before any are given back
FROM_HEAP = 2**28  # blocks of up to 256 MiB come from the heap; larger ones are mapped, and unmapped when they are freed


def keep_freed_memory() -> bool:
    """Once, at the start of a process that trains or tests. Whether the allocator could be told: glibc's can."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library; Windows
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, FROM_HEAP) and mallopt(M_TRIM_THRESHOLD, KEPT))


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
