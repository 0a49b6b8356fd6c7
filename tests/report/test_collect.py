"""Runs that are found, and jobs that have not started."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Ended, stripes
from fake_runs import fake_run, groups_of

from anomaly_lab.errors import UserError
from anomaly_lab.report.read.collect import collect, told_apart, unstarted
from anomaly_lab.report.read.records import Records
from anomaly_lab.report.read.run import FINISHED
from anomaly_lab.report.tables import results


def test_runs_are_found_at_any_depth_and_each_once(tmp_path: Path) -> None:
    for name in ("a", "sweep/0_x", "sweep/1_x", "old/sweep/10_x", "old/sweep/2_x"):
        fake_run(tmp_path / name)
    found = collect([tmp_path, tmp_path / "sweep", tmp_path / "a"])
    names_ = [run.path.relative_to(tmp_path.resolve()).as_posix() for run in found]
    assert sorted(names_) == sorted(["a", "sweep/0_x", "sweep/1_x", "old/sweep/10_x", "old/sweep/2_x"])
    assert names_.index("old/sweep/2_x") < names_.index("old/sweep/10_x"), "in the order of the jobs"


def test_folders_inside_a_run_are_no_runs(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a")
    fake_run(run / "figures" / "copy")
    assert len(collect([tmp_path])) == 1


def test_real_jobs_that_failed_are_listed_with_their_sentence(train: Callable[..., Ended], data_root: Path) -> None:
    others = [option for option in stripes(data_root) if not option.startswith("category.name=")]
    ended = train("-m", *others, "category.name=nowhere,stripes")
    (sweep,) = ended.directories
    failed, finished = collect([sweep])
    assert (failed.state, finished.state) == ("failed", FINISHED)
    assert "has no category nowhere" in failed.note
    assert "category.name=nowhere" in failed.overrides
    assert not (finished.path / "error.txt").exists()
    assert finished.metrics["stored_size"] == 64

    # a multirun that was stopped before its last job
    record = sweep / "multirun.yaml"
    text = record.read_text().replace("nowhere,stripes", "nowhere,stripes,never")
    record.write_text(text)
    (waiting,) = (run for run in collect([sweep.parent, sweep]) if run.state == "not started")
    assert "category.name=never" in waiting.overrides
    (table,) = results.left_out(Records(collect([sweep]), [], []))
    name, state, overrides, _ = table.rows[-1]
    assert (name.text, state.text) == ("–", "not started"), "no directory is made up"
    assert "category.name=never" in overrides.text


def test_a_resumed_run_that_finishes_is_no_longer_failed(train: Callable[..., Ended], data_root: Path) -> None:
    run = train(*stripes(data_root), "hydra.run.dir=runs/mine").directory
    (run / "metrics.json").unlink()
    (run / "error.txt").write_text("the disk is full\n")
    assert collect([run])[0].state == "failed"
    assert train(f"resume={run}").status == 0
    assert collect([run])[0].state == FINISHED


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run: set runs="):
        collect([tmp_path])
    with pytest.raises(UserError, match="is not a folder: set runs="):
        collect([tmp_path / "nowhere"])


def test_a_run_is_named_by_its_path_below_the_first_folder_that_holds_it(tmp_path: Path) -> None:
    fake_run(tmp_path / "sweep/0_x")
    fake_run(tmp_path / "alone")
    assert [run.place for run in collect([tmp_path])] == ["alone", "sweep/0_x"]
    assert [run.place for run in collect([tmp_path / "sweep", tmp_path])] == ["alone", "0_x"]
    assert [run.place for run in collect([tmp_path / "alone"])] == ["alone"], "the folder is the run itself"


def test_folders_of_the_same_name_get_longer_names(tmp_path: Path) -> None:
    assert told_apart(["/a/b/x", "/a/c/x", "/y", "/z/a/c/x"]) == {
        "/a/b/x": "b/x", "/a/c/x": "/a/c/x", "/y": "y", "/z/a/c/x": "z/a/c/x",
    }  # fmt: skip
    for root in ("/a/x", "/b/x"):
        for lam in (0.3, 0.9):
            fake_run(tmp_path / root[1:] / str(lam), data="mvtec", root=root, lam=lam)
    assert {g.source for g in groups_of(tmp_path)} == {f"folder “{name}” (data=mvtec), not MVTec AD" for name in ("a/x", "b/x")}


def multirun(folder: Path, task: list[str], params: dict[str, str] | None = None, sweeper: str = "BasicSweeper") -> Path:
    """Write a multirun.yaml as Hydra does."""
    record: dict[str, Any] = {
        "sweeper": {"_target_": f"hydra._internal.core_plugins.basic_sweeper.{sweeper}", "params": params}
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "multirun.yaml").write_text(yaml.safe_dump({"hydra": record | {"overrides": {"task": task}}}))
    return folder / "multirun.yaml"


def start(folder: Path, *overrides: str) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(list(overrides)))


def test_every_combination_without_a_directory_is_listed_in_hydras_order(tmp_path: Path) -> None:
    record = multirun(tmp_path, ["seed=1", "objective.lam=0.3,0.9"], {"+category": "carpet,wood"})
    assert len(list(unstarted(record))) == 4
    start(tmp_path / "0_shortened", "+category=carpet", "seed=1", "objective.lam=0.3")
    assert list(unstarted(record)) == [
        ("+category=carpet", "seed=1", "objective.lam=0.9"),
        ("+category=wood", "seed=1", "objective.lam=0.3"),
        ("+category=wood", "seed=1", "objective.lam=0.9"),
    ]


def test_the_jobs_of_another_sweeper_or_a_damaged_record_are_unknown(tmp_path: Path) -> None:
    assert list(unstarted(multirun(tmp_path, ["seed=1,2"], sweeper="OptunaSweeper"))) == []
    (tmp_path / "multirun.yaml").write_text("hydra: [")
    assert list(unstarted(tmp_path / "multirun.yaml")) == []


def test_a_folder_that_may_not_be_entered_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_run(tmp_path / "run")
    (tmp_path / "lost+found").mkdir()
    is_file = Path.is_file

    def closed(path: Path) -> bool:
        if path.parent.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", closed)
    assert [run.path.name for run in collect([tmp_path])] == ["run"]


def test_a_run_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """No page and no table could name it."""
    fake_run(tmp_path / "runs/gr\udcf6n")
    with pytest.raises(UserError, match="has a name that is no text in UTF-8: rename it"):
        collect([tmp_path / "runs"])
