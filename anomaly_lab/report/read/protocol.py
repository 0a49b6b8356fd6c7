"""The sentences about the protocol that stand under the tables."""

from collections.abc import Iterable

from anomaly_lab.report.read.run import Run

PROXY = "Proxy AP: pixel AP on held-out normal images with synthetic corruptions."
MEASURES = (
    "Pixel metrics are computed at the resolution of the ground truth, AUPRO up to a false-positive rate of 0.3. Flat grey is "
    "the trivial baseline: each pixel's distance from the mean colour of the training images. It uses the setting's contrast, "
    "error (squared error if the setting's own is neither squared nor absolute) and smoothing, so it differs between settings. "
    "Numbers on synthetic data say nothing about real images."
)


def choices(runs: Iterable[Run]) -> str:
    """How the runs got their weights and thresholds, by their own records."""
    rules = " or ".join(sorted({_rule(run) for run in runs}))
    return (
        f"The weights are those after the last training step. The threshold follows from held-out normal images by {rules}. "
        "Test images choose nothing."
    )


def _rule(run: Run) -> str:
    """calibration=conformal (alpha=0.05)"""
    m = run.metrics
    prefix = "calibration_"  # metrics.json has one such key for each parameter of the rule
    parameters = [f"{k.removeprefix(prefix)}={v}" for k, v in sorted(m.items()) if k.startswith(prefix) and v is not None]
    return f"calibration={m.get('calibration') or 'unknown'}" + (f" ({', '.join(parameters)})" if parameters else "")
