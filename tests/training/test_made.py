"""Callbacks and loggers from records: only known classes are made, whatever a stored configuration names."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import EarlyStopping
from omegaconf import OmegaConf

from anomaly_lab.errors import UserError
from anomaly_lab.training.made import made, require_known

KNOWN = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss"}
FOREIGN = [
    ("pathlib.Path.write_text", "is not part of anomaly_lab"),
    ("os.system", "is not part of anomaly_lab"),
    ("lightning.pytorch.callbacks.os.system", "is no Callback"),
    ("lightning.pytorch.trainer.Trainer", "is not part of anomaly_lab"),
    ("lightning.pytorch.loggers.CSVLogger", "is no Callback"),
    ("anomaly_lab.files.os.system", "is not|defines no"),
    ("anomaly_lab.files.write_text", "is no Callback"),
    ("anomaly_lab.objectives.restore", "is no Callback"),
    ("${oc.env:HOME}", "is not part of anomaly_lab"),
    (3, "is not part of anomaly_lab"),
]


@pytest.mark.parametrize(("target", "said"), FOREIGN)
def test_what_a_record_may_not_name_is_refused_before_it_is_made(target: Any, said: str) -> None:
    config = OmegaConf.create({"callbacks": {"mine": None, "evil": {"_target_": target}}, "logger": None})
    with pytest.raises(UserError, match=rf"callbacks\.evil: .*{said}"):
        require_known(config)


@pytest.mark.parametrize("nested", [{"a": [{"b": 0}]}, {"a": {"_target_": KNOWN["_target_"]}}])
def test_records_within_records_are_looked_at_too(tmp_path: Path, nested: dict[str, Any]) -> None:
    write = {
        "_target_": "pathlib.Path.write_text",
        "_args_": [{"_target_": "pathlib.Path", "_args_": [str(tmp_path / "x")]}, "x"],
    }
    record = OmegaConf.create(KNOWN | {"mode": [nested, write]})
    with pytest.raises(UserError, match=r"callbacks\.evil: pathlib.Path.write_text is not part of anomaly_lab"):
        made("callbacks", "evil", record)
    assert not (tmp_path / "x").exists()


def test_known_callbacks_and_loggers_are_made(tmp_path: Path) -> None:
    logger = {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": str(tmp_path)}
    require_known(OmegaConf.create({"callbacks": {"stop": KNOWN}, "logger": {"csv": logger}}))
    assert isinstance(made("callbacks", "stop", OmegaConf.create(KNOWN)), EarlyStopping)
    with pytest.raises(UserError, match=r"logger\.csv: lightning.pytorch.callbacks.EarlyStopping is no Logger"):
        require_known(OmegaConf.create({"logger": {"csv": KNOWN}}))
    with pytest.raises(UserError, match=r"callbacks\.stop is 3: it must have a _target_"):
        require_known(OmegaConf.create({"callbacks": {"stop": 3}}))


def test_the_user_s_own_are_made_if_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_callbacks.py").write_text(
        "from lightning.pytorch.callbacks import Callback\n\n\ndef mine():\n    return Callback()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = OmegaConf.create({"callbacks": {"mine": {"_target_": "own_callbacks.mine"}}})
    with pytest.raises(UserError, match="set ANOMALY_LAB_EXTENSIONS=own_callbacks"):
        require_known(config)
    monkeypatch.setenv("ANOMALY_LAB_EXTENSIONS", "own_callbacks")
    require_known(config)
