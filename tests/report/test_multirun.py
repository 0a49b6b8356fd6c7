"""The jobs of a multirun that have no directory yet."""

from pathlib import Path
from typing import Any

import yaml

from anomaly_lab.report.read.multirun import unstarted


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
