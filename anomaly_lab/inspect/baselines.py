"""Findings about trivial maps: what is reached without any training."""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image, read_mask, resize_mask
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor
from anomaly_lab.data.statistics import evenly
from anomaly_lab.inspect.finding import FINE, NOTE, Finding
from anomaly_lab.scoring.trivial import HEATMAPS, References

MOST = 200  # test images, evenly spread: of more, the metrics hardly change
HIGH = {"image_auroc": 0.9, "pixel_auroc": 0.9}  # a network that has learnt something should be better
SAID = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO"}


def baselines(
    test: Sequence[Sample],
    preprocessing: Preprocessing,
    mean_color: Sequence[float],
    sigma: float,
    pooling: Callable[[Tensor], Tensor],
    watch: Callable[[Iterable[int], int], Iterable[int]],
) -> list[Finding]:
    """The metrics of trivial maps on test images, all of which can be read. Maps and masks are of the working scale.

    `sigma`, `pooling`: of the configured scoring. `watch(places, count)` yields the places and shows a bar.
    """
    chosen = evenly(len(test), MOST)
    references = References(mean_color, sigma, pooling)
    for i in watch(chosen, len(chosen)):
        references.update(*_item(test[i], preprocessing))
    found = references.compute()
    if found["trivial_image_auroc"] is None:
        return []
    best = {metric: best_map(found, metric) for metric in SAID}
    known = {metric: (name, value) for metric, (name, value) in best.items() if value is not None}
    numbers = {**found, "images": len(chosen)}
    told = ", ".join(f"{SAID[metric]} {value:.2f} ({name})" for metric, (name, value) in known.items())
    high = [metric for metric, (_, value) in known.items() if value >= HIGH.get(metric, 2.0)]
    if high:
        return [Finding("trivial_maps", NOTE, f"maps without training reach {told}: a model has to beat that", numbers)]
    return [Finding("trivial_maps", FINE, f"maps without training reach {told}", numbers)]


def best_map(found: dict[str, float | None], metric: str) -> tuple[str, float | None]:
    """The trivial map with the highest value of a metric, and the value."""
    values = {name: found.get(f"{name}_{metric}") for name in (*HEATMAPS, "brightness")}
    known = {name: value for name, value in values.items() if value is not None}
    return max(known.items(), key=lambda item: item[1]) if known else ("", None)


def _item(sample: Sample, preprocessing: Preprocessing) -> tuple[Tensor, Sequence[int], int, Tensor | None]:
    """X, the size of the map, the label and the ground truth of an image, for `References.update`."""
    import torch

    stored = read_image(sample.path)
    X = to_tensor(preprocessing.unaligned(stored))  # the masks are of images as they lie
    size = int(X.shape[-2]), int(X.shape[-1])
    truth = torch.zeros(size, dtype=torch.bool) if sample.label == 0 else None
    if sample.mask is not None:
        truth = torch.from_numpy(resize_mask(read_mask(sample.mask, stored.shape[:2]), size))
    return X, size, sample.label, truth
