"""What a run's directory holds before a run starts there, and what becomes of it."""

import contextlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from anomaly_lab import files
from anomaly_lab.errors import Refused
from anomaly_lab.runs import resume
from anomaly_lab.runs.resume import State, settle

PRINTS = {"config": "a", "code": "b", "data": "c"}
CONFIG = OmegaConf.create({"seed": 0})


def begun(run: Path, finished: bool) -> Path:
    """The records of a run with CONFIG and PRINTS in `run`."""
    OmegaConf.save(CONFIG, run / "config.yaml")
    files.write_json(run / "environment.json", {"fingerprint": PRINTS, "threads": 3})
    if finished:
        files.write_json(run / "metrics.json", {})
    return run


@pytest.mark.parametrize("in_sweep", [True, False])
def test_an_empty_directory_is_for_a_new_run(tmp_path: Path, in_sweep: bool) -> None:
    assert settle(tmp_path, CONFIG, PRINTS, in_sweep) is State.NEW


@pytest.mark.parametrize("in_sweep", [True, False])
def test_the_same_run_that_was_cut_off_goes_on(tmp_path: Path, in_sweep: bool) -> None:
    assert settle(begun(tmp_path, finished=False), CONFIG, PRINTS, in_sweep) is State.CUT_OFF
    assert not (tmp_path / resume.SUPERSEDED).exists()


def test_the_same_run_that_has_finished_is_not_repeated(tmp_path: Path) -> None:
    run = begun(tmp_path, finished=True)
    assert settle(run, CONFIG, PRINTS, in_sweep=True) is State.FINISHED
    with pytest.raises(Refused, match="has finished"):
        settle(run, CONFIG, PRINTS, in_sweep=False)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("config", "prints", "differs"),
    [
        ({"seed": 1}, {}, "seed is 0 there, not 1"),
        ({"seed": 0}, {"code": "x"}, "the code has changed since this run began"),
        ({"seed": 0}, {"data": "x"}, "the data has changed since this run began"),
    ],
)
def test_another_run_is_put_aside_in_a_sweep_and_refused_outside_of_one(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    finished: bool,
    config: dict[str, Any],
    prints: dict[str, str],
    differs: str,
) -> None:
    run, asked = begun(tmp_path, finished), OmegaConf.create(config)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(Refused, match=differs):
        settle(run, asked, PRINTS | prints, in_sweep=False)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    with caplog.at_level(logging.INFO):
        assert settle(run, asked, PRINTS | prints, in_sweep=True) is State.NEW
    assert differs in caplog.text
    assert {path.name: path.read_bytes() for path in (run / "superseded/1").iterdir()} == before
    assert [path.name for path in run.iterdir()] == ["superseded"]


def test_files_of_the_process_at_work_stay_in_place(tmp_path: Path) -> None:
    for name in (".claimed", "train.log", "scores.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "superseded/2").mkdir(parents=True)
    assert resume.put_aside(tmp_path) == tmp_path / "superseded/3"
    assert {path.name for path in tmp_path.iterdir()} == {".claimed", "train.log", "superseded"}
    assert [path.name for path in (tmp_path / "superseded/3").iterdir()] == ["scores.csv"]


def test_a_directory_that_was_half_put_aside_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, plain = begun(tmp_path, finished=True), Path.rename
    moved: list[str] = []

    def killed(self: Path, target: Path) -> Path:
        if moved:
            raise KeyboardInterrupt
        moved.append(self.name)
        return plain(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        settle(run, OmegaConf.create({"seed": 1}), PRINTS, in_sweep=True)
    assert (run / "config.yaml").is_file()
    assert settle(run, OmegaConf.create({"seed": 1}), PRINTS, in_sweep=True) is State.NEW
    assert sorted(path.name for path in run.glob("superseded/*/*")) == ["config.yaml", "environment.json", "metrics.json"]


def test_a_run_without_a_record_of_code_and_data_counts_as_changed(tmp_path: Path) -> None:
    assert resume.changed(begun(tmp_path, finished=False), PRINTS) == []
    (tmp_path / "environment.json").write_text("{")
    assert resume.changed(tmp_path, PRINTS) == ["code", "data"]


def test_the_number_of_threads_is_the_one_at_the_start(tmp_path: Path) -> None:
    assert resume.stored_threads(begun(tmp_path, finished=False)) == 3
    for other in ({"threads": 0}, {"threads": "many"}, {}):
        (tmp_path / "environment.json").write_text(json.dumps(other))
        assert resume.stored_threads(tmp_path) is None


def test_fingerprints_follow_from_configuration_and_data() -> None:
    a, b = resume.fingerprints(CONFIG, "images"), resume.fingerprints(OmegaConf.create({"seed": 1}), "images")
    assert a["config"] != b["config"] and a["code"] == b["code"] and a["data"] == "images"


def test_resume_with_other_images_is_refused_and_with_other_code_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prints = {"config": "a", "code": "b", "data": "c"}
    files.write_json(tmp_path / "environment.json", {"fingerprint": prints})
    with caplog.at_level(logging.WARNING):
        resume.require_same_data(tmp_path, prints)
        assert not caplog.text
        resume.require_same_data(tmp_path, prints | {"code": "x"})
    assert "other code" in caplog.text
    with pytest.raises(Refused, match="began with other images"):
        resume.require_same_data(tmp_path, prints | {"data": "x"})
    (tmp_path / "environment.json").write_text("{")
    with pytest.raises(Refused, match=r"environment\.json is missing or damaged"):
        resume.require_same_data(tmp_path, prints)


def job(folder: Path, digest: str, finished: bool = True) -> Path:
    run = folder / f"seed=0_{digest}"
    run.mkdir()
    return begun(run, finished)


def test_a_job_whose_images_have_moved_is_adopted(tmp_path: Path) -> None:
    old, new = job(tmp_path, "aaa"), tmp_path / "seed=0_bbb"
    new.mkdir()
    (new / "train.log").write_text("of the process at work")
    for name in ("train.log", "train.log.1", ".hydra/overrides.yaml", "superseded/1/scores.csv", "superseded/10/scores.csv"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text(f"old {name}")
    (new / "superseded/1").mkdir(parents=True)
    (old / "checkpoints").mkdir()
    (old / "checkpoints/last.ckpt").write_text("weights")
    moved = OmegaConf.create({"seed": 0, "data": {"root": "/new"}})
    assert settle(new, moved, PRINTS, in_sweep=True) is State.FINISHED
    assert not old.exists()
    assert (new / "checkpoints/last.ckpt").read_text() == "weights"
    assert (new / "train.log").read_text() == "of the process at work"
    assert {(new / f"train.log.{i}").read_text() for i in (1, 2)} == {"old train.log", "old train.log.1"}
    superseded = {path.parent.name: path.read_text() for path in (new / "superseded").glob("*/scores.csv")}
    assert superseded == {"2": "old superseded/1/scores.csv", "3": "old superseded/10/scores.csv"}
    assert OmegaConf.load(new / "config.yaml") == moved
    assert json.loads((new / "environment.json").read_text())["fingerprint"] == PRINTS


def test_the_folder_of_a_job_that_has_moved_stays_if_something_comes_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = job(tmp_path, "aaa"), tmp_path / "seed=0_bbb"
    new.mkdir()
    write = resume.write_text

    def late(path: Path, text: str) -> None:
        (old / "notes.txt").write_text("mine")
        write(path, text)

    monkeypatch.setattr(resume, "write_text", late)
    assert settle(new, CONFIG, PRINTS, in_sweep=True) is State.FINISHED
    assert [path.name for path in old.iterdir()] == ["notes.txt"] and "they stay there" in caplog.text


@pytest.mark.parametrize("prints", [{"data": "x"}, {"code": "x"}, {"config": "x"}, {"init": "x"}])
def test_another_job_is_not_adopted(tmp_path: Path, prints: dict[str, str]) -> None:
    old, new = job(tmp_path, "aaa"), tmp_path / "seed=0_bbb"
    new.mkdir()
    assert settle(new, CONFIG, PRINTS | prints, in_sweep=True) is State.NEW
    assert (old / "metrics.json").is_file()
    assert list(new.iterdir()) == []


def test_outside_a_sweep_nothing_is_adopted(tmp_path: Path) -> None:
    old, new = job(tmp_path, "aaa"), tmp_path / "seed=0_bbb"
    new.mkdir()
    assert settle(new, CONFIG, PRINTS, in_sweep=False) is State.NEW
    assert (old / "metrics.json").is_file()


def test_a_killed_adoption_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each number of operations in turn, until it ends; nothing is ever lost."""
    operations = 0
    for name in ("rename", "copyfile", "rmtree", "write_text"):
        owner = {"rename": Path, "write_text": resume}.get(name, resume.shutil)
        plain = getattr(owner, name)

        def counted(*args: Any, plain: Any = plain, **options: Any) -> Any:
            nonlocal operations
            operations -= 1
            if operations < 0:
                raise KeyboardInterrupt
            return plain(*args, **options)

        monkeypatch.setattr(owner, name, counted)
    for allowed in range(10):
        folder = tmp_path / str(allowed)
        folder.mkdir()
        old, new = job(folder, "aaa"), folder / "seed=0_bbb"
        new.mkdir()
        (old / "scores.csv").write_text("scores")
        (old / "superseded/1").mkdir(parents=True)
        (old / "superseded/1/scores.csv").write_text("earlier")
        operations = allowed
        with contextlib.suppress(KeyboardInterrupt):
            settle(new, CONFIG, PRINTS, in_sweep=True)
        operations = 99
        assert settle(new, CONFIG, PRINTS, in_sweep=True) is State.FINISHED
        assert (new / "scores.csv").read_text() == "scores"
        assert (new / "superseded/1/scores.csv").read_text() == "earlier"
        assert (new / "environment.json").is_file()


def test_the_weights_of_init_count_unless_the_run_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/best.ckpt").write_text("weights")
    config = OmegaConf.create({"seed": 0, "init": str(tmp_path)})
    before = resume.fingerprints(config, "images")["init"]
    (tmp_path / "checkpoints/best.ckpt").write_text("other weights")
    assert resume.fingerprints(config, "images")["init"] != before
    assert "init" not in resume.fingerprints(config, "images", resuming=True)
