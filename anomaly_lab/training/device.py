"""The device and the precision that a configuration names."""

import torch

from anomaly_lab.errors import UserError
from anomaly_lab.scoring.forward import AUTOCAST


def device_of(accelerator: str) -> torch.device:
    """The device that trainer.accelerator names, as Lightning chooses it. UserError if the machine has none."""
    gpu = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
    if accelerator == "cpu" or (accelerator == "auto" and gpu is None):
        return torch.device("cpu")
    if gpu is None or accelerator not in ("auto", "gpu", gpu):
        raise UserError(f"trainer.accelerator is {accelerator}, which this machine does not have: give auto, or cpu")
    return torch.device(gpu, 0)


def precision_of(precision: str, accelerator: str) -> str:
    """trainer.precision, with "auto" resolved for the accelerator. UserError for a precision that scoring does not support."""
    found = best_precision(accelerator) if precision == "auto" else str(precision)
    if found not in AUTOCAST:
        raise UserError(f"trainer.precision is {found}: it must be one of auto, {', '.join(AUTOCAST)}")
    return found


def best_precision(accelerator: str) -> str:
    """bf16-mixed if the device supports it, else 32-true: an emulated bf16 would be several times slower."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available())
    return "bf16-mixed" if on_cpu and torch.cpu._is_avx512_bf16_supported() else "32-true"
