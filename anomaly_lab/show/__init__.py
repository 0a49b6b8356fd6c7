"""For eyes: figures, the screen, and the loggers (W&B, TensorBoard)."""
