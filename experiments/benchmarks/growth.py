"""How cost grows with image size, width, batch, workers and number of test images; exponents, where 1 is proportional."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from measure import exponent, interleaved, median
from networks import CHANNELS_LAST, precision, stepper

from anomaly_lab.metrics.pooled import PixelMetrics
from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder

Table = tuple[str, str, list[tuple[str, float]], float | None]  # what grows, unit of cost, (value, cost), exponent


def _table(what: str, unit: str, values: Sequence[float], make: Callable[[float], Callable[[], object]], rounds: int) -> Table:
    times = interleaved({f"{v:g}": make(v) for v in values}, rounds)
    seconds = [median(times, f"{v:g}") for v in values]
    return what, unit, [(f"{v:g}", s) for v, s in zip(values, seconds, strict=True)], exponent(values, seconds)


def _inference(side: float) -> Callable[[], object]:
    network, made = SDCAutoencoder(0.25, checkpointing=False, standardize=True).eval(), ForInference()
    network = network.to(memory_format=CHANNELS_LAST)  # type: ignore[call-overload]
    X = torch.rand(1, 3, int(side), int(side)).contiguous(memory_format=CHANNELS_LAST)

    def run() -> None:
        with torch.inference_mode(), precision(True):
            made(network, "cpu")(X)

    return run


def _metrics(images: float) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    heatmaps = [torch.from_numpy(rng.random((256, 256), dtype=np.float32)) for _ in range(int(images))]
    truth = torch.zeros(256, 256, dtype=torch.bool)
    truth[100:140, 100:140] = True

    def run() -> None:
        metric = PixelMetrics()
        for heatmap in heatmaps:
            metric.update(heatmap, truth, heatmap > 0.99)
        metric.compute()

    return run


def tables(short: bool) -> list[Table]:
    if short:
        return [_table("side of the crop, pixels", "s a step", (16, 32), lambda s: stepper(1 / 16, 1, int(s), True), 1)]
    return [
        _table(
            "side of the crop, pixels (batch 2)", "s a step", (64, 128, 256, 512), lambda s: stepper(0.25, 2, int(s), True), 3
        ),
        _table("side of the image, pixels (whole)", "s of inference", (128, 256, 512, 1024), _inference, 3),
        _table("width (batch 8 of 128²)", "s a step", (1 / 8, 1 / 4, 1 / 2, 1), lambda w: stepper(w, 8, 128, True), 2),
        _table("batch (128², quarter width)", "s a step", (1, 2, 4, 8, 16), lambda b: stepper(0.25, int(b), 128, True), 3),
        _table("test images (256²)", "s of metrics", (15, 30, 60, 120), _metrics, 1),
    ]
