"""Scorers: their heatmaps, the images from which they learn, and the arguments that they refuse."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.scoring.errors import squared
from anomaly_lab.scoring.forward import FEW
from anomaly_lab.scoring.normal_error import NormalError
from anomaly_lab.scoring.scorers import BRIEF, FeatureScorer, ReconstructionScorer


class Normal:
    """Three held-out images of values up to 1, and `train` training images of zeros."""

    held_out = ("a", "b", "c")

    def __init__(self, train: int = FEW) -> None:
        self.train = train

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        return ((i, torch.rand(3, 32, 32, generator=generator)) for i in range(min(3, count)))

    def training_images(self, count: int | None = None) -> tuple[Iterator[Tensor], int]:
        self.asked = count
        return (torch.zeros(3, 32, 32) for _ in range(self.train)), self.train


class Blurred:
    """F(X) is the mean colour of X."""

    def __call__(self, X: Tensor) -> Tensor:
        return X.mean((-2, -1), keepdim=True).expand_as(X)


class Encoding:
    """F of a network of features: means of 8 × 8 px, without a decoder."""

    network = nn.Conv2d(3, 3, 1)

    def features(self, X: Tensor) -> Tensor:
        return self.compared(self.encode(X))

    def encode(self, X: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(X, 8)

    def compared(self, vectors: Tensor) -> Tensor:
        return vectors

    def decode(self, vectors: Tensor, size: torch.Size) -> None:
        return None


class Detector(nn.Module):
    """The distance from the mean vector."""

    evidence = "distance"

    def fit(self, features: Any, images: int, progress: Any) -> None:
        seen = list(features)
        assert len(seen) == images
        self.mean = torch.cat(seen).mean((0, 2, 3), keepdim=True)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return (features - self.mean).norm(dim=1), torch.full((len(features),), 2.0)


def test_an_error_is_smoothed() -> None:
    X, F = torch.rand(2, 3, 16, 16), Blurred()
    output, heatmap, weights, parts, _ = ReconstructionScorer([squared], 2.0)(F, X)  # type: ignore[arg-type]
    assert torch.equal(output, F(X)) and weights is None
    assert torch.equal(heatmap, squared(X, F(X), 2.0)) and torch.equal(parts[:, 0], heatmap)


def test_a_plain_error_learns_nothing_and_scores_every_held_out_image() -> None:
    scorer = ReconstructionScorer([squared], 2.0)
    assert scorer.learn(Blurred(), Normal()) == [scorer] * 3  # type: ignore[arg-type]


def test_a_learnt_error_gives_each_held_out_image_another_scorer() -> None:
    scorer = ReconstructionScorer([NormalError()], 2.0)
    others = scorer.learn(Blurred(), Normal())  # type: ignore[arg-type]
    assert len({id(other.fusion.maps[0]) for other in others}) == 3
    assert all(other.fusion.maps[0] is not scorer.fusion.maps[0] for other in others)
    assert scorer.learn(Blurred(), Normal(), brief=True) == []  # type: ignore[arg-type]


def test_a_detector_learns_from_training_images_and_gives_factors() -> None:
    scorer, normal = FeatureScorer(Detector(), "distance", 1.0), Normal()
    assert scorer.learn(Encoding(), normal) == [scorer] * 3 and normal.asked is None  # type: ignore[arg-type]
    assert scorer.learn(Encoding(), normal, brief=True) == [] and normal.asked == BRIEF  # type: ignore[arg-type]
    output, heatmap, weights, parts, peak = scorer(Encoding(), torch.rand(2, 3, 32, 24))  # type: ignore[arg-type]
    assert output is None and parts is None and heatmap.shape == (2, 32, 24)
    assert weights.tolist() == [2.0, 2.0] and peak.shape == (2,)


def test_with_few_training_images_a_detector_learns_from_held_out_ones_but_not_to_judge_them() -> None:
    scorer, normal = FeatureScorer(Detector(), "distance", 1.0), Normal(FEW - 1)
    others = scorer.learn(Encoding(), normal)  # type: ignore[arg-type]
    held_out = torch.stack([X for _, X in normal.held_out_images(3)])
    n, total = FEW - 1, held_out.sum(0).mean((1, 2))  # zeros count in the mean
    torch.testing.assert_close(scorer.detector.mean[0, :, 0, 0], total / (n + 3))
    for X, other in zip(held_out, others, strict=True):
        torch.testing.assert_close(other.detector.mean[0, :, 0, 0], (total - X.mean((1, 2))) / (n + 2))
    assert scorer.learn(Encoding(), normal, brief=True) == [] and normal.asked == BRIEF  # type: ignore[arg-type]
    none = Normal(0)
    assert scorer.learn(Encoding(), none) == [scorer] * 3, "without training images it stays"  # type: ignore[arg-type]


def test_evidence_that_does_not_fit_is_refused() -> None:
    for other in ("neighbours", ["neighbours"], None, [None]):
        with pytest.raises(ValueError, match=r"scoring\.evidence is .*: a reconstruction is scored by maps of X and F"):
            ReconstructionScorer(other, 2.0)
    with pytest.raises(ValueError, match=r"scoring\.evidence is empty"):
        ReconstructionScorer([], 2.0)
    with pytest.raises(ValueError, match=r"scoring\.evidence is squared: the model's detector gives distance"):
        FeatureScorer(Detector(), "squared", 2.0)
