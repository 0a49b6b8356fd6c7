"""metrics.csv always, W&B and TensorBoard where they are asked for: one run a job, ended once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, Ended, stripes

FEW = ["trainer.max_epochs=1", "data.steps_per_epoch=2", "trainer.log_every_n_steps=1"]


@pytest.fixture
def ended_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What W&B knew of each run at the moment it was finished."""
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    runs: list[dict[str, Any]] = []
    finish = wandb.finish

    def recording(*args: Any, **kwargs: Any) -> None:
        if wandb.run is not None:
            runs.append({"id": wandb.run.id, "name": wandb.run.name, "config": dict(wandb.run.config), "dir": wandb.run.dir})
            runs[-1]["summary"] = dict(wandb.run.summary)
        finish(*args, **kwargs)

    monkeypatch.setattr(wandb, "finish", recording)
    yield runs
    finish()
    wandb.teardown()


def test_each_job_of_a_multirun_is_a_wandb_run_of_its_own(
    train: Callable[..., Ended], data_root: Path, ended_runs: list[dict[str, Any]]
) -> None:
    sweep = train("-m", *stripes(data_root), *FEW, "logger=wandb", "objective.lam=0.3,0.9").directory
    jobs = sorted(path for path in sweep.iterdir() if path.is_dir())
    assert [len(list((job / "wandb").glob("offline-run-*"))) for job in jobs] == [1, 1], "below the run directory"
    assert len({run["id"] for run in ended_runs}) == len(ended_runs) == 2, "each is finished once"
    for job, run, lam in zip(jobs, ended_runs, (0.3, 0.9), strict=True):
        assert (job / "metrics.json").is_file()
        assert Path(run["dir"]).is_relative_to(job)
        assert f"objective.lam={lam}" in run["name"]
        assert run["config"]["objective"]["lam"] == lam
        assert run["config"]["category"]["name"] == "stripes", "the whole configuration is there"
        assert run["config"]["seed"] == 0
        assert {"train/loss", "val/proxy_ap", "test/image_auroc", "test/pixel_auroc"} <= set(run["summary"])
        pictures = {path.name.split("_")[0] for path in (job / "wandb").rglob("*.png")}
        assert {"training", "detections", "extremes", "history"} <= pictures


def test_wandb_is_finished_when_a_run_fails_too(
    train: Callable[..., Ended], data_root: Path, ended_runs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next job of a multirun would go on in its run."""
    import wandb

    from anomaly_lab.module import AnomalyModule

    def broken(self: AnomalyModule, batch: Any, index: int) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(AnomalyModule, "test_step", broken)
    assert train(*stripes(data_root), *FEW, "logger=wandb").status == 1
    assert len(ended_runs) == 1
    assert wandb.run is None


def test_tensorboard_gets_scalars_and_pictures(train: Callable[..., Ended], data_root: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(*stripes(data_root), *FEW, "logger=tensorboard").directory
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "val/proxy_ap", "test/image_auroc"} <= set(tags["scalars"])
    assert {"training_pairs", "detections", "extremes", "history"} <= set(tags["images"])
    assert (run / "metrics.csv").is_file(), "metrics.csv is written in any case"


def test_an_unknown_logger_s_name_lists_what_there_is(train: Callable[..., Ended]) -> None:
    ended = train("+category=carpet", "logger=nonsense", *TINY)
    assert ended.status == 1
    assert all(name in ended.err for name in ("csv", "tensorboard", "wandb"))
