"""The studies of experiments/robustness."""
