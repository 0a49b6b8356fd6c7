"""What a run uses of its machine: freed memory is used again without the system, and jobs share the cores."""

import platform
import subprocess
import sys
from typing import Any

import pytest
import torch

from anomaly_lab.runs import machine

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"
RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"

PROGRAM = """
import resource, sys
import torch
from anomaly_lab.runs.machine import keep_freed_memory

def step():
    tensors = [torch.ones(2**24) for _ in range(2)]  # 64 MiB each
    return sum(float(t[0]) for t in tensors)

if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(20):  # the first ones spread out
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_steps_after_the_first_ones_take_hardly_any_pages_from_the_system() -> None:
    def faults(how: str) -> int:
        command = [sys.executable, "-c", PROGRAM, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    left_alone, kept = faults("left alone"), faults("kept")
    assert left_alone > 10 * 2 * 32, "128 MiB a step, in pages of 2 MiB or less"
    assert kept < left_alone / 4, "now and then a block moves"


@pytest.mark.parametrize(
    ("launcher", "available", "share"),
    [
        ({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}, 8, 8),
        ({"_target_": JOBLIB, "n_jobs": 1}, 8, 8),
        ({"_target_": JOBLIB, "n_jobs": 3}, 8, 2),
        ({"_target_": JOBLIB, "n_jobs": 16}, 8, 1),
        ({"_target_": JOBLIB, "n_jobs": -1}, 8, 1),
        ({"_target_": JOBLIB, "n_jobs": -5}, 8, 2),
        ({"_target_": JOBLIB, "n_jobs": None}, 8, 8),
        ({"_target_": SUBMITIT, "cpus_per_task": None}, 8, 8),
        ({"_target_": SUBMITIT, "cpus_per_task": 3}, 8, 3),
        ({"_target_": SUBMITIT, "cpus_per_task": 16}, 8, 8),
        ({"_target_": RAY, "ray": {"remote": {}}}, 8, 1),
        ({"_target_": RAY, "ray": {"remote": {"num_cpus": 4}}}, 8, 4),
    ],
)
def test_jobs_share_the_cores(launcher: dict[str, Any], available: int, share: int) -> None:
    assert machine.share(launcher, available) == share


def test_a_resumed_run_computes_with_the_threads_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(machine, "threads_at_first", lambda: 4)
    machine.set_threads(None, 2)
    machine.set_threads(None, 8)
    machine.set_threads(3, 8)
    assert chosen == [2, 4, 3], "never more than OMP_NUM_THREADS says, unless the run began with more"


def test_there_is_at_least_one_core() -> None:
    assert machine.cores() >= 1


@pytest.mark.parametrize(
    ("given", "threads"), [("1", [1, 1, 1]), ("6", [6, 3, 2]), ("99", [8, 4, 3]), ("", [8, 4, 3]), ("all", [8, 4, 3])]
)
def test_computations_side_by_side_share_the_cores_that_are_allowed(
    given: str, threads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert [machine.each(parallel) for parallel in (1, 2, 3)] == threads
