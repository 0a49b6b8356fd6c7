"""The way back to a trained model: complete, from data alone, and the same weights."""

import shutil
from pathlib import Path

import pytest
import torch
from conftest import Finished, small_module
from omegaconf import OmegaConf
from torch import nn

from anomaly_lab.errors import UserError
from anomaly_lab.runs.trained import load, save


def test_a_loaded_model_is_the_trained_one(finished: Finished) -> None:
    trained = load(finished.directory)
    stored = torch.load(finished.directory / "checkpoints/best.ckpt", weights_only=True)
    for name, value in trained.module.state_dict().items():
        assert torch.equal(value.nan_to_num(), stored["state_dict"][name].nan_to_num()), name
    assert not trained.module.training and trained.module.precision == "32-true"
    assert trained.step == stored["global_step"] == 10
    assert trained.config == OmegaConf.load(finished.directory / "config.yaml")


def test_its_data_hold_out_what_the_training_held_out(finished: Finished) -> None:
    trained = load(finished.directory)
    held_out = {sample.path.relative_to(finished.root / "stripes").as_posix() for sample in trained.data().held_out}
    assert held_out == {row["path"] for row in trained.levels}


def test_what_is_saved_is_loaded(tmp_path: Path, finished: Finished) -> None:
    run = shutil.copytree(finished.directory, tmp_path / "run")
    module = load(run).module
    module.threshold.fill_(7.5)
    save(run / "checkpoints/best.ckpt", module, epoch=3, step=99)
    again = load(run)
    assert (float(again.module.threshold), again.epoch, again.step) == (7.5, 3, 99)


class Evil(nn.Module):
    """Code that would run if the file were unpickled."""


@pytest.mark.parametrize("content", ["garbage", "code", "incomplete"])
def test_a_damaged_or_foreign_checkpoint_is_named(tmp_path: Path, finished: Finished, content: str) -> None:
    run = shutil.copytree(finished.directory, tmp_path / "run")
    path = run / "checkpoints/best.ckpt"
    if content == "garbage":
        path.write_bytes(b"no checkpoint")
    else:
        torch.save(Evil() if content == "code" else {"state_dict": {}}, path)
    with pytest.raises(UserError, match=r"best\.ckpt is damaged or no checkpoint of a run"):
        load(run)


def test_a_checkpoint_that_names_foreign_code_is_refused(tmp_path: Path, finished: Finished) -> None:
    run = shutil.copytree(finished.directory, tmp_path / "run")
    path = run / "checkpoints/best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["network"] = {"_target_": "os.system", "command": f"touch {tmp_path / 'ran'}"}
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match=r"os\.system is not part of anomaly_lab"):
        load(run)
    assert not (tmp_path / "ran").exists()


def test_a_module_saved_without_a_run_is_data(tmp_path: Path) -> None:
    save(tmp_path / "best.ckpt", small_module(), 0, 0)
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert set(content) == {"state_dict", "hyper_parameters", "epoch", "global_step", "pytorch-lightning_version"}
