"""A run's whole way from stored pixels to the decision as one module that torch can export."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anomaly_lab.data.alignment import align, coarse, find, heat_back, way
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.exported.regions import large
from anomaly_lab.exported.resizing import resized
from anomaly_lab.exported.tiling import reconstruct
from anomaly_lab.model import Model
from anomaly_lab.networks.fast.folding import CONVOLUTIONS, ForInference
from anomaly_lab.scored import preprocessing_of
from anomaly_lab.scoring.forward import Forward
from anomaly_lab.scoring.heatmap import resize_heatmap

PRECISIONS = {"fp32": "32-true", "fp16": "16-mixed"}  # of an export → of `Forward`


class Outputs(NamedTuple):
    """What the graph gives for B images: `heatmap` (B, H, W) float32, `mask` (B, H, W) bool, `score` (B,) float32, `defective`
    (B,) bool: whether the mask has any pixel."""

    heatmap: Tensor
    mask: Tensor
    score: Tensor
    defective: Tensor


class Graph(nn.Module):
    """Pixels (B, H, W, 3) uint8 RGB, as stored, → `Outputs`.

    The scorer, the evidence, the network and the pooling are the run's own modules and functions. `size`: (H, W); None for any
    size that `sizes.require_open` allows. `precision`: of the network F; all else is computed in float32.
    """

    threshold: Tensor

    def __init__(self, module: Model, size: tuple[int, int] | None, precision: str) -> None:
        super().__init__()
        self.preprocessing, self.size = preprocessing_of(module), size
        self.network = _for_inference(module.network, precision)
        self.scorer, self.pooling = module.scorer, module.pooling
        self.tile, self.precision = module.hparams["scoring"]["tile"], PRECISIONS[precision]
        self.min_area = int(module.hparams["min_area"])
        self.register_buffer("threshold", module.threshold.clone())
        self.requires_grad_(False).eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        F = AllTiles(self.network, ForInference(), self.tile, self.precision)
        X, to = prepared(pixels, self.preprocessing, self.size)
        found = self.scorer(F, X)
        heatmap = found.heatmap.float()
        if to is not None:
            heatmap = heat_back(heatmap[:, None], to)[:, 0]
        if self.size is not None:
            heatmap = resize_heatmap(heatmap, self.preprocessing.at_training_resolution(self.size))
        score = torch.vmap(self.pooling)(heatmap)
        if found.weights is not None:
            score = score * found.weights
        mask = large(heatmap > self.threshold, self.min_area)
        return tuple(Outputs(heatmap, mask, score, mask.flatten(1).any(1)))


class AllTiles(Forward):
    """F in testing, on all tiles at once."""

    def __call__(self, X: Tensor) -> Tensor:
        with self._context(X):
            return reconstruct(self.network, X, self.tile).float()


def prepared(pixels: Tensor, preprocessing: Preprocessing, size: tuple[int, int] | None) -> tuple[Tensor, Tensor | None]:
    """Stored pixels (B, H, W, 3) uint8 → X (B, 3, h, w) in [0, 1], as `Preprocessing` prepares them, and the way back. `size`:
    (H, W), None for images that are neither resized nor aligned."""
    stored = pixels.permute(0, 3, 1, 2).float()
    small, to = (stored if size is None else resized(stored, preprocessing.size(size))), None
    if preprocessing.align:
        part = find(*coarse(small))
        to = way(part, (small.shape[-2], small.shape[-1]))
        small = align(small, part, to).round()
    X = small / 255
    mean: Any = preprocessing.mean
    std: Any = preprocessing.std
    if preprocessing.contrast == "none":
        return X, to
    if preprocessing.contrast == "image":
        mean = X.mean((1, 2, 3), keepdim=True)
        std = (X - mean).square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-3)
    return (0.5 + preprocessing.spread / std * (X - mean)).clamp(0, 1), to


def _for_inference(network: Any, precision: str) -> nn.Module:
    """The network's folded copy; for fp16 with float16 weights, except in modules with `keeps_float32`."""
    made: nn.Module = network.folded() if hasattr(network, "folded") else copy.deepcopy(network)
    if PRECISIONS[precision] == "16-mixed":
        for module in made.modules():
            if isinstance(module, CONVOLUTIONS) and not getattr(module, "keeps_float32", False):
                module.half()
    return made
