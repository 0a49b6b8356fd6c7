"""From a module and images to heatmaps, scores and ground truth.

Training, calibration, evaluation, the report and `Detector` all score images here, so that their results agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from anomaly_lab.data.alignment import back, heat_back
from anomaly_lab.data.folder import Sample
from anomaly_lab.data.likeness import unlike
from anomaly_lab.data.pieces import LARGEST, Pieces
from anomaly_lab.data.preprocessing import Preprocessing
from anomaly_lab.data.scoring_data import StoredImages
from anomaly_lab.data.workers import ignore_interrupt
from anomaly_lab.model import Model
from anomaly_lab.scoring import blocks
from anomaly_lab.scoring import scorers as scoring
from anomaly_lab.scoring.heatmap import resize_heatmap


@dataclass(frozen=True)
class Look:
    """The result for one image: `heatmap` (H, W) float32 at the stored size, and `score` of the image. At the working scale:
    `output`, F(X) (3, h, w) in [0, 1], None if the network does not reconstruct; `parts`, the maps (K, h, w) that the heatmap
    is the mean of, None if it is made of features."""

    heatmap: NDArray[np.float32]
    score: float
    output: Tensor | None
    parts: Tensor | None


@dataclass(frozen=True)
class Scored(Look):
    """A scored image on disk. `X`: (3, h, w) in [0, 1] at the working scale, with an even background if it was aligned.
    `plain`: it without that. `truth`: the ground truth (H, W) bool, True for defective pixels; None for a defective image
    without a mask. `unlike`: see `data.likeness.unlike`."""

    sample: Sample
    X: Tensor
    plain: Tensor
    truth: NDArray[np.bool_] | None
    unlike: tuple[str, ...]


def score(module: Model, samples: Sequence[Sample], workers: int = 0, scorers: Sequence[Any] | None = None) -> Iterator[Scored]:
    """Score images one by one, when the caller asks for the next. No image is kept in memory.

    - `module`: on the device that computes; it is switched to evaluation mode.
    - `workers`: processes that decode images.
    - `scorers`: one scorer per image instead of the module's, for cross-fitting.

    UserError for a file that can't be read.
    """
    module.eval()
    images = StoredImages(samples, preprocessing_of(module))
    loader: Any = (images[i] for i in range(len(images)))
    if workers:
        loader = DataLoader(images, batch_size=None, num_workers=workers, worker_init_fn=ignore_interrupt)
    for i, item in enumerate(loader):
        found = look(module, item["X"], item["size"], module.scorer if scorers is None else scorers[i], item["way"])
        X = item["X"] if item["way"] is None else back(item["X"][None], item["way"][None])[0]
        truth = None if item["truth"] is None else item["truth"].numpy()
        odd = unlike(item["seen"], module.hparams["profile"])
        yield Scored(found.heatmap, found.score, found.output, found.parts, samples[i], X, item["plain"], truth, odd)


def look(module: Model, X: Tensor | Pieces, size: Sequence[int], scorer: Any = None, way: Tensor | None = None) -> Look:
    """Score a preprocessed image X (3, h, w). `size`: (H, W) of its heatmap. `scorer`: used instead of the module's. `way`:
    from an aligned X to the image as it lies, which all results are of.

    Above `LARGEST` pixels it is scored in blocks, with the same result; of `Pieces`, neither `output` nor `parts` are kept.
    """
    scorer = scorer or module.scorer
    with torch.inference_mode():
        if X.shape[-2] * X.shape[-1] > LARGEST and blocks.halo(scorer, module.F) is not None:
            found = blocks.look(scorer, module.F, X, module.device, whole=isinstance(X, Tensor))
        else:
            found = scorer(module.F, X[..., :, :][None].to(module.device))
        if way is not None:
            found = _as_it_lies(found, way[None])
        heatmap = resize_heatmap(found.heatmap[0], size)
        score = module.pooling(heatmap)
        if found.weights is not None:
            score = score * found.weights[0]
    output, parts = (None if each is None else each[0].float().cpu() for each in (found.output, found.parts))
    return Look(heatmap.float().cpu().numpy(), float(score.float()), output, parts)


def _as_it_lies(found: scoring.Look, way: Tensor) -> scoring.Look:
    """What was found in an aligned image, of the image as it lies; on the processor, since Apple's GPUs don't sample so."""
    return found._replace(
        output=None if found.output is None else back(found.output.float().cpu(), way),
        heatmap=heat_back(found.heatmap[:, None].float().cpu(), way)[:, 0],
        parts=None if found.parts is None else heat_back(found.parts.float().cpu(), way),
    )


def preprocessing_of(module: Model) -> Preprocessing:
    """The preprocessing of the module's images."""
    return Preprocessing(**module.hparams["preprocessing"])
