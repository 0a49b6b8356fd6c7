"""A run's directory: its name, who may use it, and the records in it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from anomaly_lab import files
from anomaly_lab.errors import UserError
from anomaly_lab.runs import command_line, directory, environment
from anomaly_lab.show import loggers


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


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("resume=runs/x_category=a,b", "resume='runs/x_category=a,b'"),
        ("hydra.run.dir=my runs/1", "hydra.run.dir='my runs/1'"),
        ("resume=it's", r"resume='it\'s'"),
        ("resume='runs/a=b'", "resume='runs/a=b'"),
        ('resume="runs/a=b"', 'resume="runs/a=b"'),
        ("hydra.run.dir=runs/${now:%H}", "hydra.run.dir=runs/${now:%H}"),
        ("objective.lam=0.3,0.9", "objective.lam=0.3,0.9"),
        ("--help", "--help"),
        ("resume", "resume"),
    ],
)
def test_a_run_directory_on_the_command_line_gets_quotes(argument: str, quoted: str) -> None:
    """The names hold = and , which Hydra would take for an override and a sweep."""
    assert command_line.quoted(argument) == quoted


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


def test_the_environment_of_each_resume_is_kept(tmp_path: Path) -> None:
    prints = {"config": "a", "code": "b", "data": "c"}
    environment.write_environment(tmp_path, {}, resuming=False)
    environment.write_environment(tmp_path, prints, resuming=False)
    first = json.loads((tmp_path / "environment.json").read_text())
    assert first["fingerprint"] == prints
    environment.write_environment(tmp_path, prints, resuming=True)
    environment.write_environment(tmp_path, prints, resuming=True)
    record = json.loads((tmp_path / "environment.json").read_text())
    assert {k: v for k, v in record.items() if k != "resumed"} == first
    assert [entry["command"] for entry in record["resumed"]] == [first["command"]] * 2


def test_json_is_written_whole_and_never_holds_nan(tmp_path: Path) -> None:
    files.write_json(tmp_path / "metrics.json", {"tpr": None, "tnr": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"tpr": None, "tnr": 0.5}
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "metrics.json", {"tpr": float("nan")})
    assert json.loads((tmp_path / "metrics.json").read_text())["tnr"] == 0.5


def test_the_environment_names_the_commit_of_a_checkout(tmp_path: Path) -> None:
    record = environment.environment()
    json.dumps(record)
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))
    here = Path(__file__).parent.parent
    if not (here.parent / ".git").exists():
        assert record["git"] is None
        return
    head = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert record["git"]["commit"] == head
    assert re.fullmatch(r"[0-9a-f]{40}", head)


def test_wandb_is_offline_without_a_key_or_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def connect(address: tuple[str, int], timeout: float) -> SimpleNamespace:
        asked.append(address)
        return SimpleNamespace(close=lambda: None)

    def no_network(address: tuple[str, int], timeout: float) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.create_connection", connect)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert loggers.wandb_offline()
    (tmp_path / ".netrc").write_text("machine example.org login me password x\n")
    assert loggers.wandb_offline()
    assert not asked, "without a key nobody is called"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password x\n")
    assert not loggers.wandb_offline()
    (tmp_path / ".netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert not loggers.wandb_offline()
    assert asked == [("api.wandb.ai", 443)] * 2
    monkeypatch.setattr("socket.create_connection", no_network)
    assert loggers.wandb_offline()
