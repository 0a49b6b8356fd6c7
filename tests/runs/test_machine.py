"""Memory that is freed is used again without asking the system for it."""

import platform
import subprocess
import sys

import pytest

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
