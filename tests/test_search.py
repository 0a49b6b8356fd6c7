"""The search over λ and the strength of the corruption: it goes by the validation proxy, and goes on after a stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import stripes

from anomaly_lab import files, search
from anomaly_lab.errors import UserError
from anomaly_lab.runs import command_line
from anomaly_lab.runs import directory as runs_directory


@pytest.fixture
def trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The training commands that the search starts; none is run. The proxy is highest at λ = 0.7.

    If there is a file "fail", they fail.
    """
    monkeypatch.chdir(tmp_path)
    started: list[list[str]] = []

    def train(arguments: list[str]) -> int:
        options = dict(option.split("=", 1) for option in arguments)
        directory = Path(options["hydra.run.dir"].strip("'"))
        directory.mkdir(parents=True, exist_ok=True)
        started.append(arguments)
        lam = float(options["objective.lam"])
        if Path("fail").exists():
            (directory / runs_directory.FAILURE).write_text("why\n")
            return 1
        files.write_json(directory / "metrics.json", {"proxy_ap": 1 - (lam - 0.7) ** 2, "image_auroc": lam})
        return 0

    monkeypatch.setattr(search, "_train", train)
    return started


COMMAND = ["+category=carpet", "seed=1", "study=study"]


def test_it_goes_on_where_it_was_and_finds_the_best_proxy(
    trainings: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    search.search([*COMMAND, "trials=3"])
    assert len(trainings) == 3
    search.search([*COMMAND, "trials=15"])
    assert len(trainings) == 15, "the first three are not repeated"
    search.search([*COMMAND, "trials=15"])
    assert len(trainings) == 15
    assert len({tuple(options[2:5]) for options in trainings}) == 15, "all are different"
    for options in trainings:
        assert options[:2] == ["+category=carpet", "seed=1"], "these are for the training"
        assert [option.split("=")[0] for option in options[2:5]] == list(search.SPACE)
    out = capsys.readouterr().out
    best = max(
        (Path("study") / f"trial_{i:03d}/metrics.json" for i in range(15)), key=lambda p: json.loads(p.read_text())["proxy_ap"]
    )
    assert f"of 15 trials number {int(best.parent.name[-3:])} has the highest proxy" in out


def test_a_trial_that_was_cut_off_is_made_with_the_same_parameters(
    trainings: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    search.search([*COMMAND, "trials=1"])
    cut_off = []

    def killed(arguments: list[str]) -> int:
        cut_off.append(arguments)
        return -9

    with monkeypatch.context() as patch:
        patch.setattr(search, "_train", killed)
        with pytest.raises(UserError, match="trial 1 was stopped in study/trial_001: the same command continues it"):
            search.search([*COMMAND, "trials=3"])
    search.search([*COMMAND, "trials=3"])
    assert trainings[1] == cut_off[0]
    assert len(trainings) == 3
    # the search was killed after the trial ended and before the study recorded it: the trial is not repeated
    monkeypatch.setattr(search, "_train", killed)
    search.search([*COMMAND, "trials=3"])


def test_a_trial_whose_search_was_killed_is_told_while_it_is_trained_and_counted_afterwards(
    trainings: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 of a search leaves its training, which works on."""
    train = search._train
    with monkeypatch.context() as patch:
        patch.setattr(search, "_train", Mock(side_effect=OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            search.search([*COMMAND, "trials=1"])
        patch.setattr(search.lock, "in_use", lambda run: run.name == "trial_000")
        search.search([*COMMAND, "trials=1"])
        assert capsys.readouterr().out.endswith(
            "another process trains trial 0: start the same command again when it has ended\n"
        )
    monkeypatch.setattr(search, "_train", train)
    search.search([*COMMAND, "trials=1"])
    assert "of 1 trials number 0 has the highest proxy" in capsys.readouterr().out and len(trainings) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["seed=2"], "seed is 1 there, not 2"),
        (["+category=grid"], "category.name is carpet there, not grid"),
        (["objective=amplify"], "objective.name is restore there, not amplify|objective._target_ is"),
        (["data=folder", "data.root=other"], "data.name is synthetic there, not folder"),
    ],
)
def test_another_training_command_needs_another_study(trainings: list[list[str]], options: list[str], said: str) -> None:
    search.search([*COMMAND, "trials=1"])
    command = [] if options[0].startswith("+category") else ["+category=carpet"]
    with pytest.raises(UserError, match=rf"study holds the trials of another .*({said}).*; choose another folder with study="):
        search.search([*command, "seed=1", "study=study", *options])
    search.search([*COMMAND, "trials=2", "data.num_workers=1", "objective.lam=0.3"])
    assert len(trainings) == 2, "what changes no result, or is drawn, may differ"


def test_images_in_another_place_are_another_study(trainings: list[list[str]]) -> None:
    command = ["+category=custom", "category.name=parts", "data=folder", "seed=1", "trials=1"]
    for root in ("one", "two"):
        search.search([*command, f"data.root={root}"])
    assert len(list(Path("runs").glob("search_*/trial_000"))) == 2
    with pytest.raises(UserError, match=r"data.root is \S+one there, not \S+two"):
        for root in ("one", "two"):
            search.search([*command, f"data.root={root}", "study=study"])
    (Path("study") / search.TRAINING).unlink()
    with pytest.raises(UserError, match="holds the trials of another training command"):
        search.search([*command, "data.root=one", "study=study"])


def test_a_signal_to_the_search_alone_reaches_the_training_once(tmp_path: Path) -> None:
    """The search waits until the training has ended: it may be writing its checkpoint."""
    (tmp_path / "anomaly_lab").mkdir()
    (tmp_path / "anomaly_lab" / "__init__.py").touch()
    (tmp_path / "anomaly_lab" / "train.py").write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('got one', flush=True))\n"
        "print('training', sys.argv[1:], flush=True)\n"
        "signal.pause(); time.sleep(1); print('saved', flush=True)\n"
    )
    code = "from anomaly_lab import search; from anomaly_lab.errors import ending_in_a_sentence\n"
    code += f"import os; os.environ['PYTHONPATH'] = {str(tmp_path)!r}; os.chdir({str(tmp_path)!r})\n"
    code += "with ending_in_a_sentence('stopped'):\n    search._train(['seed=1'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "training ['seed=1']\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("got one\nsaved\n", "error: stopped\n", 128 + signal.SIGTERM)


def test_trials_that_fail_do_not_end_the_search(trainings: list[list[str]]) -> None:
    Path("fail").touch()
    with pytest.raises(UserError, match=r"none of 2 trials in study has succeeded"):
        search.search(["+category=carpet", "seed=1", "study=study", "trials=2"])
    assert len(trainings) == 2
    Path("fail").unlink()
    search.search(["+category=carpet", "seed=1", "study=study", "trials=2"])
    assert len(trainings) == 4, "the cause is gone: two others are made"
    search.search(["+category=carpet", "seed=1", "study=study", "trials=2"])
    assert len(trainings) == 4


@pytest.mark.parametrize("trials", ["0", "many", "-1"])
def test_a_number_of_trials_that_makes_no_sense_is_named(trials: str) -> None:
    with pytest.raises(UserError, match=f"trials is {trials}"):
        search.search([f"trials={trials}"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "no category"),
        (["+category=carpet", "data=mvtec"], "data.root=DIR"),
        (["+category=carpet", "objective=l2"], "objective=l2 has no objective.lam to search"),
        (["+category=carpet", "objective.lamm=1"], "can't be understood: .*lamm"),
    ],
)
def test_a_command_that_could_not_train_makes_no_trial(trainings: list[list[str]], options: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        search.search([*options, "study=study"])
    assert not trainings and not Path("study").exists()


def test_a_study_that_cannot_be_written_is_named(trainings: list[list[str]]) -> None:
    Path("file").touch()
    with pytest.raises(UserError, match=r"file/study cannot be written to \(Not a directory\): .* with study="):
        search.search(["+category=carpet", "study=file/study"])
    assert not trainings


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "is_installed", lambda module: False)
    with pytest.raises(UserError, match=r"pip install 'anomaly_lab\[optuna\]'"):
        search.search([f"study={tmp_path}"])


def test_the_space_is_one_that_the_training_takes(data_root: Path) -> None:
    from hydra import compose, initialize_config_dir

    from anomaly_lab.pipeline.assembly import datamodule
    from anomaly_lab.runs.checks import check
    from anomaly_lab.runs.command_line import CONF

    for place in (1, 2):
        values = search.overrides({name: limits[place] for name, limits in search.SPACE.items()})  # type: ignore[misc]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[*stripes(data_root), *values])
        check(config)
        datamodule(config)
