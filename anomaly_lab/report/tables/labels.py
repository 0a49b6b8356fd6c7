"""What tables and plots call the values of metrics.json."""

METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO",
    "tpr_tnr_mean": "mean of TPR and TNR",
    "tpr": "TPR",
    "tnr": "TNR",
    "image_f1": "image F1",
    "pixel_f1": "pixel F1",
}
FLAT = {"flat_image_auroc": "flat grey: image AUROC", "flat_pixel_auroc": "flat grey: pixel AUROC"}
COMPARED = ("image_auroc", "pixel_auroc", "aupro", "tpr_tnr_mean")
SWEPT = {name: METRICS[name] for name in COMPARED} | {"proxy_ap": "proxy AP (validation)"}
MINUTES = "minutes of training"
