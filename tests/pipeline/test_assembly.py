"""From a configuration to objects."""

from pathlib import Path

import pytest
import torch
from conftest import stripes
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from anomaly_lab.errors import UserError
from anomaly_lab.pipeline import assembly
from anomaly_lab.runs.command_line import CONF


def composed(root: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[*stripes(root), *overrides])


def test_the_network_is_compiled_in_place_on_request(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So names in checkpoints do not change."""
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


def test_a_name_in_the_configuration_becomes_a_record_in_the_module(data_root: Path) -> None:
    """So a checkpoint needs no configuration."""
    config = composed(data_root, "scoring.evidence=squared", "scoring.pooling=mean_top")
    data = assembly.datamodule(config)
    data.setup()
    scoring = assembly.lightning_module(config, data).hparams["scoring"]
    assert scoring["evidence"] == [{"name": "squared", "_target_": "anomaly_lab.scoring.errors.squared"}]
    assert scoring["pooling"]["share"] == 0.001
    assert (scoring["tile"], scoring["train_size"]) == (64, 64)


def test_a_set_is_loaded_only_if_asked_for_and_known(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, str, str]] = []
    monkeypatch.setattr(assembly, "download", lambda root, name, archive: asked.append((root, name, archive["licence"])))
    assembly.datamodule(composed(data_root))
    assert not asked
    assembly.datamodule(composed(data_root, "data.download=true"))
    assert asked == [(data_root, "stripes", "CC BY-NC-SA 4.0 (no commercial use)")]
    with pytest.raises(UserError, match=r"data.download=true is not known for data=folder: load it by hand"):
        assembly.datamodule(composed(data_root, "data=folder", "+data.download=true"))
