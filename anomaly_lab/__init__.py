"""anomaly_lab: self-supervised visual anomaly detection with autoencoders (PyTorch Lightning + Hydra)."""

__version__ = "0.1.0"
