"""anomaly_lab: self-supervised visual anomaly detection with autoencoders (PyTorch Lightning + Hydra)."""

import os

__version__ = "0.1.0"

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing albumentations asks the network for a newer version
