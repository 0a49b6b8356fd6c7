"""anomaly_lab: self-supervised visual anomaly detection with autoencoders (PyTorch Lightning + Hydra)."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomaly_lab.detector import Detection, Detector

__version__ = "0.1.0"
__all__ = ["Detection", "Detector"]

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing albumentations asks the network for a newer version
# OpenCV reads this when it is imported. A small file can announce any number of pixels; 2**28 take up to 1.6 GB to decode, and
# no network here could take more.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))


def __getattr__(name: str) -> Any:
    """`Detector` and `Detection`, imported on first use: the commands answer --help without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from anomaly_lab import detector

    return getattr(detector, name)
