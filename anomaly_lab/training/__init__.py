"""Around the fit of Lightning: Trainer, schedule, callbacks, checkpoints and the progress bar."""
