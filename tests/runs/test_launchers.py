"""Several jobs at a time through Hydra's launchers; a launcher that is not installed is named with its remedy."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ended, metrics_of, stripes

from anomaly_lab.runs import command_line, machine


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
        ["hydra/launcher=ray", "+hydra.launcher.ray.remote.num_cpus=1"],
    ],
    ids=lambda options: options[0].split("=")[1],
)
def test_jobs_run_beside_each_other_and_one_that_fails_stays_alone(
    data_root: Path, tmp_path: Path, launcher: list[str]
) -> None:
    if not command_line.is_installed(command_line.LAUNCHERS[launcher[0].split("=")[1]][0]):
        pytest.skip(f"{launcher[0]} is not installed")
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
