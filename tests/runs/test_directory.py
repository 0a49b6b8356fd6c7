"""A run's directory: its name, which run it belongs to, and the files there."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Finished, metrics_of
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.errors import Refused, UserError
from anomaly_lab.runs import directory
from anomaly_lab.runs.command_line import CONF

CONFIG: dict[str, Any] = {"seed": 0, "data": {"num_workers": 0, "contrast": "none"}, "logger": None, "resume": None}


def config(**changes: Any) -> DictConfig:
    return OmegaConf.create(CONFIG | changes)


def stored(run: Path, *more: str) -> Path:
    """A run with CONFIG in `run`, and empty files beside it."""
    run.mkdir(exist_ok=True)
    OmegaConf.save(config(), run / "config.yaml")
    for name in more:
        (run / name).write_text("{}")
    return run


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ("+category=carpet,objective=amplify", "category=carpet,objective=amplify"),
        ("category.name=a b/c,x=../../etc", "category.name=a-b-c,x=..-..-etc"),
        ("category.augmentation=[flip,turn]", "category.augmentation=-flip,turn"),
        ("~callbacks.early_stopping,x='q*?:|<>'", "callbacks.early_stopping,x=-q"),
        ("category.name=Größe", "category.name=Größe"),
        ("", "defaults"),
        ("..", "defaults"),
    ],
)
def test_overrides_become_a_name_that_any_file_system_takes(overrides: str, name: str) -> None:
    assert directory.directory_name(overrides) == name


def test_a_long_name_is_cut_to_what_file_systems_take() -> None:
    name = directory.directory_name(",".join(f"trainer.option_{i}=value" for i in range(100)))
    assert 50 < len(name.encode()) < 200
    assert "/" not in name
    assert 50 < len(directory.directory_name("category.name=" + "瓷砖" * 100).encode()) <= directory.LONGEST_NAME


@pytest.mark.parametrize("differing", [[], ["seed is 0 there, not 1"], [f"key{i} is 0 there, not 1" for i in range(5)]])
def test_another_run_or_a_finished_one_is_refused(tmp_path: Path, differing: list[str]) -> None:
    if not differing:
        directory.refuse_other(tmp_path, differing)
        (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(UserError) as refusal:
        directory.refuse_other(tmp_path, differing)
    said = str(refusal.value)
    assert f"{tmp_path} holds a run already" in said
    assert ("has finished" in said) == (not differing)
    assert said.count("there, not") == min(3, len(differing))
    assert ("(and 2 more)" in said) == (len(differing) == 5)


def test_a_multirun_s_folder_follows_from_what_its_command_asks_for() -> None:
    first = directory.sweep_directory(["+category=carpet,grid", "seed=0,1"])
    assert first.startswith("category=carpet,grid,seed=0,1_")
    assert directory.sweep_directory(["seed=0,1", "+category=carpet,grid"]) == first
    assert directory.sweep_directory(["seed=0,1", "+category=carpet,grid", "data.num_workers=2", "logger=wandb"]) == first
    assert directory.sweep_directory(["+category=carpet,grid", "seed=0,2"]) != first
    long = [f"key{i}=value" for i in range(50)]
    assert directory.sweep_directory(long) != directory.sweep_directory([*long, "seed=1"]), "names that are cut differ"


def test_a_job_s_folder_follows_from_its_configuration() -> None:
    first = directory.job_directory("seed=0", _root_=config())
    assert first.startswith("seed=0_")
    assert directory.job_directory("seed=0", _root_=config(logger={"csv": {}})) == first
    assert directory.job_directory("seed=0", _root_=config(seed=1)) != first
    assert len(directory.job_directory("x" * 500, _root_=config()).encode()) <= directory.LONGEST_NAME


def test_outside_a_job_there_is_no_multirun() -> None:
    assert not directory.in_multirun()
    assert directory.study() is None


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["source.json"], "is an evaluation and holds no training to resume"),
        (["source.json", "metrics.json"], "is an evaluation and holds no training to resume"),
        (["metrics.json"], r"has finished already: its metrics are in .*metrics\.json"),
    ],
)
def test_what_cannot_be_resumed_is_named(tmp_path: Path, files: list[str], said: str) -> None:
    with pytest.raises(UserError, match="holds no run to resume"):
        directory.stored_config(tmp_path)
    with pytest.raises(UserError, match=said):
        directory.stored_config(stored(tmp_path, *files))


def test_a_resumed_run_keeps_its_configuration_except_neutral_keys(tmp_path: Path) -> None:
    run = stored(tmp_path)
    data = {"num_workers": 2, "contrast": "none"}
    given = config(data=data, resume=str(run))
    found = directory.resumed_config(run, given, ["resume=x", "data.num_workers=2", "data.contrast=none"])
    assert found == config(data=data)
    for override, changes, differs in (
        ("seed=1", {"seed": 1}, "seed is 0 there, not 1"),
        ("+data.contrast=image", {"data": data | {"contrast": "image"}}, "data.contrast is none there, not image"),
    ):
        with pytest.raises(Refused, match=f"{differs}; leave that out, or start a new run"):
            directory.resumed_config(run, config(**changes), [override])


def resumed(run: Path, *overrides: str) -> Any:
    """What resume= gives for a run of `carpet` with the overrides on the command line."""
    given = [f"resume={run}", *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        stored = compose("train", overrides=["+category=carpet", "debug=default"])
        run.mkdir(exist_ok=True)
        stored.logger = None
        OmegaConf.save(stored, run / "config.yaml")
        return directory.resumed_config(run, compose("train", overrides=given), given)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("debug=limit", "debug=limit may set any key: .*(and \\d+ more)"),
        ("debug=overfit", "debug=overfit may set any key"),
        ("experiment=paper", "experiment=paper may set any key"),
        ("corruption@validation_corruption=swap", r"validation_corruption.size is \[0.05, 0.25\] there, not \[0.1, 0.5\]"),
        ("+mine=3", "mine is not set there, not 3"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path, option: str, said: str) -> None:
    same = ["+category=carpet", "debug=default"] if not option.startswith(("debug", "experiment")) else ["+category=carpet"]
    with pytest.raises(Refused, match=rf"is resumed with the configuration stored there, and .*{said}.*leave that out"):
        resumed(tmp_path / "run", *same, option)
    with pytest.raises(Refused, match=said.split(":")[0]):
        resumed(tmp_path / "run", option)


def test_the_same_command_may_be_given_with_resume(tmp_path: Path) -> None:
    same = ["+category=carpet", "debug=default", "corruption@validation_corruption=proxy", "hydra.job.chdir=false"]
    assert resumed(tmp_path / "run", *same, "data.num_workers=3").data.num_workers == 3


def guarded(run: Path, **changes: Any) -> DictConfig:
    """A configuration as Hydra hands it to a callback."""
    return config(hydra={"run": {"dir": str(run)}, "sweep": {"dir": str(run)}}, **changes)


def test_the_guard_ends_the_program_before_another_run_s_records_are_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guard, run = directory.Guard(), stored(tmp_path / "run", "metrics.json")
    for asked, said in (
        (guarded(run), "holds a run already, which has finished"),
        (guarded(run, seed=1), "holds a run already, and another: seed is 0 there, not 1"),
        (guarded(tmp_path / "nothing", resume="x"), "holds no run to resume"),
        (
            guarded(run / "metrics.json/new"),
            "(Not a directory): choose another directory with hydra.run.dir=",
        ),
    ):
        with pytest.raises(SystemExit):
            guard.on_run_start(asked)
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        guard.on_multirun_start(guarded(run / "metrics.json/new"))
    assert "choose another directory with hydra.sweep.dir=" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_the_guard_makes_a_new_directory_and_lets_a_run_that_was_cut_off_go_on(tmp_path: Path) -> None:
    directory.Guard().on_run_start(guarded(tmp_path / "new/run"))
    assert (tmp_path / "new/run").is_dir()
    directory.Guard().on_run_start(guarded(stored(tmp_path / "cut_off")))
    directory.Guard().on_multirun_start(guarded(tmp_path / "new/sweep"))
    assert (tmp_path / "new/sweep").is_dir()


def test_a_directory_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root, who may run the tests, may write everywhere
    with pytest.raises(SystemExit):
        directory.Guard().on_run_start(guarded(tmp_path))
    assert f"{tmp_path} cannot be written to (Permission denied)" in capsys.readouterr().err


def test_a_finished_run_has_its_files(finished: Finished) -> None:
    assert directory.require_run(str(finished.directory)) == finished.directory
    assert directory.best_checkpoint(finished.directory).is_file()
    assert directory.finished_metrics(finished.directory) == metrics_of(finished.directory)
    levels = directory.held_out_levels(finished.directory)
    assert levels and all(row["split"] == "validation" and row["path"].startswith("train/good/") for row in levels)


def test_what_is_missing_is_named(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run: give run=DIRECTORY"):
        directory.require_run(None)
    with pytest.raises(UserError, match=r"holds several, run=.* is one"):
        directory.require_run(str(finished.directory.parent))
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UserError, match=r"has no checkpoints/best.ckpt: .*resume="):
        directory.require_run(str(tmp_path))
    assert directory.finished_metrics(tmp_path) is None and directory.held_out_levels(tmp_path) == []


@pytest.mark.parametrize("content", ["", "hello", "[1, 2]", "a: 1", "null", "a: [\n b: {", "\udcff"])
def test_a_damaged_configuration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content, errors="surrogateescape")
    with pytest.raises(UserError, match=r"^\S+config.yaml is damaged \(.*\): restore it from a copy, or make the run anew$"):
        directory.config_of(tmp_path)


@pytest.mark.parametrize("content", ["hello\n1\n", "split,level\nvalidation\n", "split,level\nvalidation,1,2\n", "a\n\udcff"])
def test_damaged_levels_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "levels.csv").write_text(content, errors="surrogateescape")
    with pytest.raises(UserError, match=r"^\S+levels.csv is damaged \(.*\): restore it"):
        directory.held_out_levels(tmp_path)


def test_levels_may_have_passed_through_another_editor(tmp_path: Path) -> None:
    (tmp_path / "levels.csv").write_bytes(b"\xef\xbb\xbfsplit,level\r\nvalidation,1\r\n")
    assert directory.held_out_levels(tmp_path) == [{"split": "validation", "level": "1"}]
