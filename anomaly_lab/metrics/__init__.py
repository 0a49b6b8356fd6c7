"""Detection and localisation metrics: the curves, their pixel histograms, and metrics over a whole test set."""
