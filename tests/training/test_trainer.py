"""Lightning's Trainer in this project: one process, one device, a precision that scoring supports."""

from pathlib import Path

import pytest
from conftest import stripes
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from anomaly_lab.errors import UserError
from anomaly_lab.runs.command_line import CONF
from anomaly_lab.training.trainer import make_trainer


def composed(root: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[*stripes(root), *overrides])


def test_the_number_of_processes_in_a_queue_s_environment_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SLURM's count of tasks, Lightning would wait for other processes."""
    for name, value in (("SLURM_NTASKS", "4"), ("SLURM_JOB_NAME", "train"), ("SLURM_PROCID", "2")):
        monkeypatch.setenv(name, value)
    trainer = make_trainer(composed(tmp_path, "trainer.accelerator=cpu"), tmp_path, [], [])
    assert (trainer.world_size, trainer.global_rank) == (1, 0)


def test_an_argument_that_lightning_does_not_know_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trainer: .*nonsense"):
        make_trainer(composed(tmp_path, "+trainer.nonsense=1"), tmp_path, [], [])
