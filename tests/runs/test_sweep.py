"""Multiruns: started again, they repeat nothing and lose nothing. A job that fails ends no other. Sweeps may share a folder."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Ended, assert_same_training, metrics_of, scores_of, stripes

from anomaly_lab.module import AnomalyModule
from anomaly_lab.runs import fingerprint, lock
from anomaly_lab.training.checkpoints import SaveOnInterrupt

Train = Callable[..., Ended]
FEW = ["trainer.max_epochs=1", "data.steps_per_epoch=3", "trainer.log_every_n_steps=1"]


def jobs_of(sweep: Path) -> list[Path]:
    return sorted(path for path in sweep.iterdir() if path.is_dir() and not path.name.startswith("."))


def stamps(folder: Path) -> dict[Path, int]:
    """The time at which each file of the results was written."""
    names = ("metrics.json", "scores.csv", "best.ckpt", "last.ckpt", "metrics.csv", "config.yaml", "environment.json")
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name in names and ".hydra" not in path.parts}


def test_a_multirun_started_again_finds_its_jobs_done_and_only_runs_what_is_new(train: Train, data_root: Path) -> None:
    command = ["-m", *stripes(data_root), *FEW, "objective.lam=0.3,0.9", "seed=5"]
    ended = train(*command)
    sweep = ended.directory
    runs = jobs_of(sweep)
    assert [re.search(r"objective.lam=([\d.]+)", run.name)[1] for run in runs] == ["0.3", "0.9"]  # type: ignore[index]
    for run, lam in zip(runs, (0.3, 0.9), strict=True):
        assert (metrics_of(run)["lam"], metrics_of(run)["seed"]) == (lam, 5)
        assert len(scores_of(run)) == 7
    assert scores_of(runs[0]) != scores_of(runs[1])
    assert "2 jobs, 2 finished\n" in ended.out

    before = stamps(sweep)
    again = train(*reversed(command))  # the order of the overrides does not matter
    assert (again.status, again.directories) == (0, [])
    assert "2 jobs, 2 finished before\n" in again.out
    assert stamps(sweep) == before

    # more values in the same folder: the first two jobs are not repeated
    more = train(*[o.replace("0.3,0.9", "0.3,0.6,0.9") for o in command], f"hydra.sweep.dir={sweep}", "data.num_workers=0")
    assert "3 jobs, 1 finished, 2 finished before\n" in more.out
    assert len(jobs_of(sweep)) == 3
    assert {path: stamp for path, stamp in stamps(sweep).items() if path in before} == before
    assert not list(sweep.glob(".jobs")), "only the jobs are left"


def test_jobs_of_other_code_or_data_are_put_aside_and_run_anew(
    train: Train, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["-m", *stripes(data_root), *FEW, "seed=0"]
    (run,) = jobs_of(train(*command).directory)
    first = {name: (run / name).read_bytes() for name in ("metrics.json", "scores.csv", "checkpoints/best.ckpt")}
    monkeypatch.setattr(fingerprint, "code", lambda package: "another")
    ended = train(*command)
    assert "1 jobs, 1 finished\n" in ended.out
    assert jobs_of(run.parent) == [run]
    assert {name: (run / "superseded/1" / name).read_bytes() for name in first} == first
    assert json.loads((run / "environment.json").read_text())["fingerprint"]["code"] == "another"
    assert scores_of(run) == scores_of(run / "superseded/1")
    assert "the code has changed since this run began" in (run / "train.log").read_text()
    assert "1 finished before" in train(*command).out


def test_after_a_move_of_the_images_a_multirun_finds_its_jobs(train: Train, tmp_path: Path, data_root: Path) -> None:
    def command(root: Path) -> list[str]:
        return ["-m", *stripes(root), *FEW, "seed=0,1"]

    shutil.copytree(data_root, tmp_path / "before")
    sweep = train(*command(tmp_path / "before")).directory
    scores = [scores_of(run) for run in jobs_of(sweep)]
    (tmp_path / "before").rename(tmp_path / "after")
    ended = train(*command(tmp_path / "after"))
    assert "2 jobs, 2 finished before\n" in ended.out
    assert len(jobs_of(sweep)) == 2
    assert [scores_of(run) for run in jobs_of(sweep)] == scores
    assert all(f"root: {tmp_path}/after" in (run / "config.yaml").read_text() for run in jobs_of(sweep))
    # other images of the same name are other jobs, in the same folder
    (tmp_path / "after/stripes/test/good/000.png").unlink()
    (tmp_path / "after").rename(tmp_path / "others")
    assert "2 jobs, 2 finished\n" in train(*command(tmp_path / "others")).out
    assert len(jobs_of(sweep)) == 4


def test_a_job_that_fails_stays_alone_and_is_tried_again(
    train: Train, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first job meets a bug, the second has a wrong value, the third is fine."""

    def broken(self: AnomalyModule, batch: Any, index: int) -> torch.Tensor:
        if self.hparams["objective"]["lam"] == 0.9:
            raise RuntimeError("a bug:\nin two lines")
        return plain(self, batch, index)

    plain = AnomalyModule.training_step
    command = ["-m", *stripes(data_root), *FEW, "objective.lam=0.9,1.5,0.3"]
    with monkeypatch.context() as patch:
        patch.setattr(AnomalyModule, "training_step", broken)
        ended = train(*command)
    (sweep,) = ended.directories
    assert ended.status == 1
    assert "Traceback" not in ended.err
    assert "3 jobs, 1 finished, 2 failed\n" in ended.out
    by_lam = {re.search(r"lam=([\d.]+)", run.name)[1]: run for run in jobs_of(sweep)}  # type: ignore[index]
    assert (by_lam["0.9"] / "error.txt").read_text() == "RuntimeError: a bug: in two lines\n"
    assert "Traceback" in (by_lam["0.9"] / "train.log").read_text(), "it can be looked up"
    assert (by_lam["1.5"] / "error.txt").read_text().startswith("objective.lam is 1.5: ")
    assert f"failed: {by_lam['1.5']}: objective.lam is 1.5" in ended.err
    assert not (by_lam["0.3"] / "error.txt").exists()

    again = train(*command)
    assert "3 jobs, 1 finished, 1 finished before, 1 failed\n" in again.out
    assert not (by_lam["0.9"] / "error.txt").exists()
    assert metrics_of(by_lam["0.9"])["steps"] == 3


def test_a_job_that_was_cut_off_goes_on_and_ends_as_if_nothing_had_happened(
    train: Train, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off between a step's checkpoint and its row in the history. The steps draw random numbers from torch."""
    plain = AnomalyModule.training_step

    def noisy(self: AnomalyModule, batch: Any, index: int) -> torch.Tensor:
        return plain(self, {**batch, "X_hat": batch["X_hat"] + 0.1 * torch.rand_like(batch["X_hat"])}, index)

    monkeypatch.setattr(AnomalyModule, "training_step", noisy)
    command = ["-m", *stripes(data_root), *FEW, "seed=3"]
    (whole,) = jobs_of(train(*command, "hydra.sweep.dir=runs/whole").directory)

    def crash(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step >= 2:
            raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(SaveOnInterrupt, "on_train_batch_end", crash)  # the next call after the checkpoint is saved
        ended = train(*command, "checkpoint_minutes=0")
    (run,) = jobs_of(ended.directories[0])
    assert not (run / "metrics.json").exists()
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    assert (run / "metrics.csv").read_text().splitlines()[-1].startswith("0,"), "the second step has no row yet"
    again = train(*command)
    assert "1 jobs, 1 finished\n" in again.out
    assert_same_training(run, whole)
    environment = json.loads((run / "environment.json").read_text())
    assert len(environment["resumed"]) == 1


def test_a_job_in_the_hands_of_another_process_is_left_to_it(train: Train, data_root: Path) -> None:
    command = ["-m", *stripes(data_root), *FEW, "seed=0,1"]
    sweep = train(*command).directory
    run = jobs_of(sweep)[0]
    (run / "metrics.json").unlink()
    with lock.held(run):
        ended = train(*command)
    assert ended.status == 0
    assert "2 jobs, 1 finished before, 1 in the hands of another process\n" in ended.out
    assert "in use by another process" in ended.out
    assert not (run / "error.txt").exists()


def test_a_sweep_over_a_key_that_does_not_exist_is_named(train: Train, data_root: Path) -> None:
    ended = train("-m", *stripes(data_root), "objective.lamda=0.3,0.9")
    assert ended.status == 1
    assert "objective.lamda" in ended.err
    assert "Traceback" not in ended.err
