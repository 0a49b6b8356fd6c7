"""A run's directory: its name, who may use it, and the records in it."""

from pathlib import Path

import pytest

from anomaly_lab.errors import UserError
from anomaly_lab.runs import directory


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
