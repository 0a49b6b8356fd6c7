"""What tables and plots call the values of metrics.json, and the sentences about the protocol below the tables."""

from collections.abc import Iterable

from anomaly_lab.report.read.run import Run

METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO",
    "aupro_05": "AUPRO at .05",
    "aupimo": "AUPIMO",
    "tpr_tnr_mean": "mean of TPR and TNR",
    "tpr": "TPR",
    "tnr": "TNR",
    "image_f1": "image F1",
    "image_f1_max": "image F1, best threshold",
    "pixel_f1": "pixel F1",
    "pixel_f1_max": "pixel F1, best threshold",
}
TRIVIAL = {f"trivial_{name}": f"trivial: {METRICS[name]}" for name in ("image_auroc", "pixel_auroc", "pixel_ap", "aupro")}
COMPARED = ("image_auroc", "pixel_auroc", "aupro", "tpr_tnr_mean")
SWEPT = {name: METRICS[name] for name in COMPARED} | {"proxy_ap": "proxy AP (validation)"}
MINUTES = "minutes of training"
PROXY = "Proxy AP: pixel AP on held-out normal images with synthetic corruptions."
MEASURES = (
    "Pixel metrics are computed at the resolution of the ground truth, AUPRO up to a false-positive rate of 0.3 or 0.05. "
    "F1 at the best threshold is chosen by the test images. "
    "Trivial: the best of four references that need no training, with the setting's contrast and smoothing: each pixel's "
    "distance from the mean colour of the training images (flat grey), the blurred gradient, the local standard deviation, and "
    "for images their mean brightness. Numbers on synthetic data say nothing about real images."
)


def choices(runs: Iterable[Run]) -> str:
    """How the runs got their weights and thresholds, by their own records: "… by calibration=conformal (alpha=0.05) …"."""
    rules = set()
    for m in (run.metrics for run in runs):
        prefix = "calibration_"  # metrics.json has one such key for each parameter of the rule
        given = [f"{k.removeprefix(prefix)}={v}" for k, v in sorted(m.items()) if k.startswith(prefix) and v is not None]
        rules.add(f"calibration={m.get('calibration') or 'unknown'}" + (f" ({', '.join(given)})" if given else ""))
    threshold = f"The threshold follows from held-out normal images by {' or '.join(sorted(rules))}."
    return f"The weights are those after the last training step. {threshold} Test images choose nothing."
