"""A configuration's parts as objects."""

from pathlib import Path

import pytest
import torch
from conftest import stripes
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from anomaly_lab.pipeline import assembly
from anomaly_lab.runs.command_line import CONF
from anomaly_lab.training import trainer as training_trainer


def composed(root: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[*stripes(root), *overrides])


def test_what_a_queue_s_environment_says_about_processes_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes are started by the command itself; SLURM's count of tasks would make Lightning wait for others, or refuse."""
    for name, value in (("SLURM_NTASKS", "4"), ("SLURM_JOB_NAME", "train"), ("SLURM_PROCID", "2")):
        monkeypatch.setenv(name, value)
    trainer = training_trainer.make_trainer(composed(tmp_path, "trainer.accelerator=cpu"), tmp_path, [], [])
    assert (trainer.world_size, trainer.global_rank) == (1, 0)


def test_the_network_is_compiled_in_place_where_it_is_asked_for(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the names in checkpoints stay what they are."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: compiled.append(type(self).__name__))
    names = []
    for flag in (False, True):
        config = composed(data_root, f"trainer.compile={flag}")
        data = assembly.datamodule(config)
        data.setup()
        names.append(list(assembly.lightning_module(config, data).state_dict()))
        assert compiled == (["SDCAutoencoder"] if flag else [])
    assert names[0] == names[1]
