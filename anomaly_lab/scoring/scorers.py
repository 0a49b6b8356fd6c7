"""Scorers: from an image to its heatmap, by evidence from X and F(X) or by features. Choose one with scoring.scorer=NAME.

A scorer learns what is normal with `learn`: briefly before each validation, fully after the training.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anomaly_lab.scoring.coreset import Progress
from anomaly_lab.scoring.forward import Forward, NormalImages, few
from anomaly_lab.scoring.fusion import Fusion
from anomaly_lab.scoring.heatmap import enlarged, smooth

BRIEF = 32  # training images for a fit before a validation; more would only cost time


class Look(NamedTuple):
    """The result for a batch: `output`, F(X) (B, 3, h, w), None if the network does not reconstruct; the smoothed `heatmap`
    (B, h, w); `weights`, factors on the image scores (B,), or None; `parts`, the maps that the heatmap is the mean of,
    (B, K, h, w), or None; `peak`, the highest distance (B,) before the smoothing, to which the weight belongs, or None."""

    output: Tensor | None
    heatmap: Tensor
    weights: Tensor | None = None
    parts: Tensor | None = None
    peak: Tensor | None = None


class ReconstructionScorer(nn.Module):
    """The heatmap is made of `evidence` from X and F(X).

    `evidence`: a list of maps, `weights`: theirs or None, see `errors` and `fusion`; otherwise ValueError. `sigma`: of the
    smoothing, in pixels at the working scale.
    """

    def __init__(self, evidence: Any, sigma: float, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not isinstance(evidence, Sequence) or not all(map(callable, evidence)):
            raise ValueError(f"scoring.evidence is {evidence}: a reconstruction is scored by maps of X and F(X)")
        self.fusion, self.sigma = Fusion(evidence, weights), sigma

    @classmethod
    def of(cls, fusion: Fusion, sigma: float) -> "ReconstructionScorer":
        """The scorer of a fusion that exists already."""
        scorer = cls(fusion.maps, sigma, fusion.weights)
        scorer.fusion = fusion
        return scorer

    def begin(self, light: Sequence[float]) -> None:
        """Let maps with initial weights load them. `light`: see `Preprocessing.light`."""
        self.fusion.begin(light)

    def learn(
        self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None
    ) -> list["ReconstructionScorer"]:
        """Let the maps learn from held-out images. Returns for each of them a scorer that has not learnt from it.

        If `brief`, the list is empty. A single plain error learns nothing.
        """
        others = self.fusion.learn(F, normal, self.sigma, brief)
        return [self if fusion is self.fusion else self.of(fusion, self.sigma) for fusion in others]

    def loss(self, X: Tensor) -> Tensor | None:
        """The loss of evidence that learns by gradient on normal crops X (B, 3, h, w), beside F; None if none does."""
        return self.fusion.loss(X)

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X) and the heatmap."""
        output = F(X)
        with torch.autocast(X.device.type, enabled=False):  # bf16 would round the heatmap
            heatmap, parts = self.fusion(X, output, self.sigma)
        return Look(output, heatmap, parts=parts)


class FeatureScorer(nn.Module):
    """The heatmap shows a detector's distances of the network's features, one vector per patch.

    - `detector`: a module with `fit(features (1, C, h', w') of each image, number of images, progress)`. Then it maps features
      to distances (B, h', w') and factors on the image scores (B,). Its attribute `evidence` is the name of the distances.
    - `evidence`: must be that name, otherwise ValueError.
    - `sigma`: of the smoothing, in pixels at the working scale.
    """

    def __init__(self, detector: Any, evidence: str, sigma: float, weights: None = None) -> None:
        super().__init__()
        if weights is not None:
            raise ValueError(f"scoring.weights is {weights}: a heatmap of features is one map, leave the weights out")
        if evidence != detector.evidence:
            raise ValueError(f"scoring.evidence is {evidence}: the model's detector gives {detector.evidence}")
        self.detector, self.sigma = detector, sigma

    def learn(
        self, F: Forward, normal: NormalImages, brief: bool = False, progress: Progress | None = None
    ) -> list["FeatureScorer"]:
        """Fit the detector on training images, with few of them on held-out images, too (`forward.few`); without any, it stays.

        Returns for each held-out image a scorer that has not learnt from it. If `brief`, the list is empty.
        """
        others, remembered = [self] * len(normal.held_out), None if brief else few(normal)
        if remembered is None:
            self._fit(F, *normal.training_images(BRIEF if brief else None), progress)
            return [] if brief else others
        for part, known in remembered.others:
            other = FeatureScorer(copy.deepcopy(self.detector), self.detector.evidence, self.sigma)
            other._fit(F, known, len(known), None)
            for place in part:
                others[place] = other
        self._fit(F, remembered.known, len(remembered.known), progress)
        return others

    def _fit(self, F: Forward, images: Iterable[Tensor], count: int, progress: Progress | None) -> None:
        """Fit the detector on `count` images X (3, h, w); none changes nothing."""
        device = next(F.network.parameters()).device
        if count:
            self.detector.fit((F.features(X[None].to(device)) for X in images), count, progress)

    def forward(self, F: Forward, X: Tensor) -> Look:
        """X (B, 3, h, w) in [0, 1] → F(X), the heatmap and factors on the image scores."""
        vectors = F.encode(X)
        with torch.autocast(X.device.type, enabled=False):
            distance, weights = self.detector(F.compared(vectors))
            heatmap = smooth(enlarged(distance, X.shape[-2:]), self.sigma)
        return Look(F.decode(vectors, X.shape), heatmap, weights, peak=distance.flatten(1).amax(1))
