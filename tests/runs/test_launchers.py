"""Several jobs at a time: through Hydra's launchers, with the cores shared out, and a clear word where a package is missing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ended, metrics_of, stripes

from anomaly_lab.runs import command_line, machine

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"
RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"


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


def test_a_launcher_that_is_not_installed_is_named_with_its_remedy(
    train: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "is_installed", lambda module: False)
    ended = train("-m", "+category=carpet,grid", "hydra/launcher=joblib")
    assert ended.status == 1
    assert ended.err == "error: hydra/launcher=joblib is not installed: pip install 'anomaly_lab[joblib]'\n"


@pytest.mark.parametrize(
    "launcher",
    [
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
        ["hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=5"],
    ],
    ids=lambda options: options[0].split("=")[1],
)
def test_jobs_run_beside_each_other_and_one_that_fails_stays_alone(
    data_root: Path, tmp_path: Path, launcher: list[str]
) -> None:
    """And the command, started again, finds what is done."""
    few = ["trainer.max_epochs=1", "data.steps_per_epoch=2", "objective.lam=0.3,7"]
    command = [sys.executable, "-m", "anomaly_lab.train", "-m", *stripes(data_root), *few, *launcher, "hydra.sweep.dir=sweep"]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, env=environment)
    assert ended.returncode == 1, ended.stderr
    assert "2 jobs, 1 finished, 1 failed\n" in ended.stdout
    assert "objective.lam is 7" in ended.stderr
    (done,) = (path.parent for path in tmp_path.glob("sweep/*/metrics.json"))
    assert metrics_of(done)["lam"] == 0.3
    record = json.loads((done / "environment.json").read_text())
    assert record["threads"] == max(1, machine.cores() // 2) if "joblib" in launcher[0] else record["threads"] == 1
