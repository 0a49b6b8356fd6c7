"""Highest memory of one process: a training step of the whole network, and the evaluation of many large images."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from images import draw, overrides
from measure import Row

HERE = Path(__file__).parent
STEP = """
import resource, sys, torch
sys.path.insert(0, sys.argv[1])
from networks import stepper
from anomaly_lab.runs.machine import keep_freed_memory
keep_freed_memory()
torch.set_num_threads(int(sys.argv[6]))
step = stepper(float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), True, checkpointing=sys.argv[5] == "True")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
step(), step()
print("MIB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, before // 1024)
"""
TEST = """
import resource
from anomaly_lab import train
from anomaly_lab.pipeline import train as way
calibrated, end, before = way.calibrated, way.end, []
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def begun(*arguments):
    before.append(peak())
    return calibrated(*arguments)
def ended(*arguments):
    end(*arguments)
    print("MIB", peak(), before[0])
way.calibrated, way.end = begun, ended
train.main()
"""


def _peak(*arguments: str, cwd: Path | None = None) -> tuple[int, int]:
    """(highest MiB of the process, highest before what is measured)."""
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=False, cwd=cwd)
    found = re.search(r"MIB (\d+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stderr[-2000:])
    return int(found[1]), int(found[2])


def rows(short: bool) -> list[Row]:
    import torch

    width, batch, side = (1 / 16, 1, 64) if short else (1.0, 4, 512)
    found = []
    for checkpointing in (False, True):
        arguments = (str(HERE), str(width), str(batch), str(side), str(checkpointing), str(torch.get_num_threads()))
        whole, before = _peak(STEP, *arguments)
        what = f"memory of a training step, width {width:g}, {batch} × {side}²{', checkpointing' if checkpointing else ''}"
        found.append(Row(what, whole / 1024, "GiB", how=f"{before / 1024:.2f} GiB of them before the first step"))
    images, side = (4, 64) if short else (120, 1024)
    with tempfile.TemporaryDirectory() as name:
        given = overrides(draw(Path(name) / "data", 12, images // 3, images - images // 3, side))
        tiny = ["model=tiny", f"image_size={side}", "trainer.max_epochs=1", "data.steps_per_epoch=2", "batch_size=2"]
        tiny += ["data.train_size=32"] if short else []
        whole, before = _peak(TEST, *given, *tiny, cwd=Path(name))
        what = f"memory of calibration and test of {images} images at {side}², beyond the training's"
        how = f"{whole / 1024:.2f} GiB in all; model=tiny"
        found.append(Row(what, (whole - before) / 1024, "GiB", None if short else 2.0, True, how))
    return found
