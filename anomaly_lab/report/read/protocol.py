"""What the notes under the tables say of how the numbers came about."""

from collections.abc import Iterable

from anomaly_lab.report.read.collect import Run

PROXY = "Proxy AP: pixel AP on synthetic corruptions of held-out normal images."
MEASURES = (
    "Pixel metrics at the ground truth's own resolution, AUPRO up to a false-positive rate of 0.3. Flat grey: the distance "
    "from the training images' mean colour, which takes no training; after the setting's own contrast, error (squared where it "
    "is neither squared nor absolute) and smoothing, so that it differs between settings. Synthetic data say nothing about "
    "real images."
)


def choices(runs: Iterable[Run]) -> str:
    """How weights and thresholds were chosen, as the runs' own records say."""
    weights, rules = set(), set()
    for run in runs:
        m = run.metrics
        parameter = m.get("calibration_parameter")
        weights.add(str(m.get("selection") or "not recorded"))
        rules.add(str(m.get("calibration") or "not recorded") + ("" if parameter is None else f" {parameter:g}"))
    return (
        f"Weights: {' or '.join(sorted(weights))}; threshold from held-out normal images by "
        f"calibration={' or '.join(sorted(rules))}; test images choose nothing."
    )
