"""One device and a precision that scoring supports; Lightning chooses the same."""

import pytest
import torch

from anomaly_lab.errors import UserError
from anomaly_lab.training.device import best_precision, device_of, precision_of


def test_precision_is_what_the_processor_supports_or_as_configured() -> None:
    assert precision_of("auto", "cpu") == best_precision("cpu") in ("bf16-mixed", "32-true")
    assert precision_of("16-mixed", "cpu") == "16-mixed"
    with pytest.raises(UserError, match=r"trainer\.precision is 64-true: .* auto, 32-true, bf16-mixed, 16-mixed"):
        precision_of("64-true", "cpu")


def test_a_missing_device_is_named() -> None:
    assert device_of("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        for missing in ("gpu", "cuda", "tpu"):
            with pytest.raises(UserError, match=rf"trainer\.accelerator is {missing}, which this machine does not have"):
                device_of(missing)


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_the_device_is_lightning_s(accelerator: str) -> None:
    import lightning

    assert device_of(accelerator) == lightning.Fabric(accelerator=accelerator, devices=1).device


def test_a_graphics_processor_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == device_of("gpu") == device_of("cuda") == torch.device("cuda", 0)
    assert device_of("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_of("auto") == device_of("mps") == torch.device("mps", 0)
    with pytest.raises(UserError, match="cuda, which this machine does not have"):
        device_of("cuda")
