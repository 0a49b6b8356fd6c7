"""Records become objects of this package, and of nothing else: they may come from a stranger's checkpoint."""

from typing import Any

import pytest
import torch
from conftest import CUTOUT

from anomaly_lab import objectives
from anomaly_lab.build import build
from anomaly_lab.corruption.contents import Elastic
from anomaly_lab.corruption.local import LocalCorruption
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder

SDC = "anomaly_lab.networks.sdc_autoencoder.SDCAutoencoder"


def test_a_class_is_constructed_and_its_label_passed_over() -> None:
    network = build({"_target_": SDC, "name": "small", "width": 0.03, "checkpointing": False, "standardize": False})
    assert isinstance(network, SDCAutoencoder)
    assert network.last.in_channels == 1, "32 filters times 0.03"


def test_a_function_gets_its_arguments_bound() -> None:
    X, output, M = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)
    objective = build({"_target_": "anomaly_lab.objectives.restore", "name": "restore", "lam": 0.25, "norm": "squared"})
    assert objective(output, X, X, M) == objectives.restore(output, X, X, M, lam=0.25, norm="squared") == 0.25


def test_lists_of_records_are_built_first() -> None:
    contents = [{"_target_": "anomaly_lab.corruption.contents.Elastic", "amplitude": [1.0, 2.0], "smoothness": [3.0, 4.0]}]
    corruption = build(CUTOUT | {"contents": contents})
    assert isinstance(corruption, LocalCorruption)
    assert isinstance(corruption.contents[0], Elastic)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "system",
        "",
        "anomaly_lab_evil.module.function",
        "anomaly_lab.runs.environment.subprocess.run",  # these modules import what the target names
        "anomaly_lab.runs.environment.os.system",
        "anomaly_lab.files.os",
        "anomaly_lab.corruption.local.A",
        "anomaly_lab.objectives.Tensor",
        "anomaly_lab.files.contextlib",
        "anomaly_lab.objectives.nothing_of_this_name",
        "anomaly_lab.objectives.restore.__globals__",
        "anomaly_lab.objectives.__builtins__",
    ],
)
def test_whatever_this_package_does_not_define_is_refused(target: str) -> None:
    with pytest.raises(ValueError):
        build({"_target_": target})


def test_refusal_comes_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    called = []
    monkeypatch.setattr(os, "system", called.append)
    with pytest.raises(ValueError, match="is not part of anomaly_lab"):
        build({"_target_": SDC, "width": {"_target_": "os.system", "command": "true"}})
    assert not called


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(ValueError, match=r"SDCAutoencoder: .*'widht'"):
        build({"_target_": SDC, "widht": 1})
    with pytest.raises(ValueError, match=r"restore: .*'lambda'"):
        build({"_target_": "anomaly_lab.objectives.restore", "lambda": 1})


@pytest.mark.parametrize("record", [3, None, "a", [1], {"a": 1}, {"_target_": 3}])
def test_what_is_no_record_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="is no record with _target_"):
        build(record)


@pytest.mark.parametrize("wrong", [{"shapes": 3}, {"contents": True}, {"shapes": None}, {"shapes": [1]}])
def test_an_argument_of_another_kind_is_a_mistake_in_the_record(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^anomaly_lab\.corruption\.local\.LocalCorruption: "):
        build(CUTOUT | wrong)


def test_and_so_is_one_that_is_too_large() -> None:
    with pytest.raises(ValueError, match=f"^{SDC}: "):
        build({"_target_": SDC, "width": float("inf"), "checkpointing": False, "standardize": False})
