"""Blocks of a large image: together they are the heatmap of the whole one."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from conftest import Finished
from torch import Tensor

from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.networks.filters import FilterBank
from anomaly_lab.networks.patch_autoencoder import PatchFeatures
from anomaly_lab.runs.trained import load
from anomaly_lab.scoring import blocks
from anomaly_lab.scoring.bands import observed
from anomaly_lab.scoring.features import Features
from anomaly_lab.scoring.forward import Forward
from anomaly_lab.scoring.head import Head
from anomaly_lab.scoring.memory_bank import MemoryBank
from anomaly_lab.scoring.normal_error import Halves, NormalError
from anomaly_lab.scoring.scorers import FeatureScorer, ReconstructionScorer

SIZE = 632, 1003  # no multiple of a patch, a band or a block
DEVICE = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that lie as the true ones."""
    assert blocks.BLOCK % blocks.GRID == 0
    monkeypatch.setattr(blocks, "BLOCK", 320)


@pytest.fixture(scope="module")
def X() -> Tensor:
    """A smooth picture with noise: what is far away must not matter, so everything differs from place to place."""
    random = np.random.default_rng(0)
    coarse = cv2.resize(random.random((9, 13, 3)).astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    picture = np.clip(coarse + random.normal(0, 0.1, coarse.shape), 0, 1).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


class Normal:
    """Training images like X."""

    held_out = ("a",)

    def __init__(self, X: Tensor) -> None:
        self.X = X

    def training_images(self, count: int | None = None) -> tuple[Iterator[Tensor], int]:
        return iter([self.X[:, :256, :256]]), 1

    def held_out_images(self, count: int) -> Iterator[tuple[int, Tensor]]:
        return iter([])


def test_the_default_evidence_in_blocks_is_that_of_the_whole(finished: Finished, X: Tensor) -> None:
    module = load(finished.directory).module
    module.precision = "32-true"
    assert module.hparams["scoring"]["tile"] and [e["name"] for e in module.hparams["scoring"]["evidence"]][-1] == "head"
    with torch.inference_mode():
        whole = module.scorer(module.F, X[None])
        found = blocks.look(module.scorer, module.F, X, DEVICE, whole=True)
    for part in ("heatmap", "output", "parts"):
        torch.testing.assert_close(getattr(found, part), getattr(whole, part), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["filters", "features"])
def test_features_in_blocks_are_those_of_the_whole(X: Tensor, kind: str) -> None:
    torch.manual_seed(0)
    network, F = encoder()
    used, scales = (FilterBank(), [4]) if kind == "filters" else (network, [1, 2])
    evidence = Features(used, MemoryBank(300, "random", 0, 0, 0), scales).eval()
    evidence.learn(F, Normal(X), brief=True)  # type: ignore[arg-type]
    scorer = ReconstructionScorer([evidence], 8)
    F = Forward(torch.nn.Identity(), ForInference(), 64, "32-true")
    with torch.inference_mode():
        whole, found = scorer(F, X[None]), blocks.look(scorer, F, X, DEVICE, whole=False)
    assert found.output is None and found.parts is None
    torch.testing.assert_close(found.heatmap, whole.heatmap, rtol=1e-4, atol=1e-4)


def test_coarse_features_in_blocks_are_those_of_the_whole() -> None:
    """At a quarter of the size the encoder's stride of 16 is one of 64; the image is so wide that halos end inside it."""
    torch.manual_seed(0)
    network, F = encoder()
    wide = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 400), size=(91, 3203), mode="bicubic")[0].clamp(0, 1)
    evidence = Features(network, MemoryBank(300, "random", 0, 0, 0), [1, 2, 4]).eval()
    evidence.learn(F, Normal(wide), brief=True)  # type: ignore[arg-type]
    scorer, F = ReconstructionScorer([evidence], 8), Forward(torch.nn.Identity(), ForInference(), 64, "32-true")
    with torch.inference_mode():
        whole, found = scorer(F, wide[None]), blocks.look(scorer, F, wide, DEVICE, whole=False)
    torch.testing.assert_close(found.heatmap, whole.heatmap, rtol=1e-4, atol=1e-4)


def test_the_weight_of_the_score_is_that_of_the_highest_distance(X: Tensor) -> None:
    torch.manual_seed(0)
    _, F = encoder()
    scorer = FeatureScorer(MemoryBank(300, "random", 0, 3, 0), "neighbours", 8)
    scorer.learn(F, Normal(X))  # type: ignore[arg-type]
    with torch.inference_mode():
        whole, found = scorer(F, X[None]), blocks.look(scorer, F, X, DEVICE, whole=True)
    torch.testing.assert_close(found.heatmap, whole.heatmap, rtol=1e-4, atol=1e-4)
    assert found.weights is not None and whole.weights is not None and 0 < float(whole.weights) < 1
    torch.testing.assert_close(found.weights, whole.weights, rtol=1e-4, atol=1e-4)
    assert found.output is None


def test_what_looks_too_far_is_not_divided() -> None:
    F, untiled = (Forward(torch.nn.Identity(), ForInference(), tile, "32-true") for tile in (64, 0))
    near, divided = ReconstructionScorer([NormalError()], 8), ReconstructionScorer([Halves(NormalError(), NormalError())], 8)
    assert blocks.halo(near, F) is not None and blocks.halo(near, untiled) is None and blocks.halo(divided, F) is None
    assert blocks.halo(ReconstructionScorer([NormalError()], 300), F) is None, "1,200 pixels of smoothing"
    with pytest.raises(ValueError, match="too much of the image"):
        blocks.look(near, untiled, torch.zeros(3, 8, 8), DEVICE, whole=True)
    features = FeatureScorer(MemoryBank(3, "random", 0, 0, 0), "neighbours", 8)
    assert blocks.halo(features, F) is None, "a network that does not say how far it looks"
    assert blocks.halo(features, encoder()[1]) == 256, "220 pixels, and 32 of smoothing"


def looked_at(value: Tensor, X: Tensor, column: int) -> int:
    """How far from a column the pixels lie on which `value` depends."""
    (gradient,) = torch.autograd.grad(value, X)
    columns = gradient.abs().sum((0, 1, 2)).nonzero()[:, 0]
    return int((columns - column).abs().max())


@pytest.mark.parametrize("column", [512, 517, 523])
def test_reach_is_what_a_pixel_depends_on(column: int) -> None:
    torch.manual_seed(0)
    X = torch.rand(1, 3, 32, 1024, requires_grad=True)
    head = Head(8, 2, 0.3, 0.1, 0.02).eval()
    far = looked_at(head(X, X, 0.0)[0, 16, column], X, column)
    assert 150 < far <= Head.reach
    network, _ = encoder()
    network.encoder.requires_grad_(True)
    far = looked_at(network.features(network.encode(X))[0, :, 2, column // 8].sum(), X, column)
    assert 150 < far <= PatchFeatures.reach
    far = looked_at(FilterBank().encode(X)[0, :, 4, column // 4].sum(), X, column)
    assert 50 < far <= FilterBank.reach
    output, model = torch.rand(1, 3, 32, 1024), NormalError()
    model.fit([observed(output[0], X[0].detach())])
    far = looked_at(model(X, output, 0.0)[0, 16, column], X, column)
    assert 15 < far <= NormalError.reach


def encoder() -> tuple[PatchFeatures, Forward]:
    """The network of features with random weights, and F of it."""
    network = PatchFeatures("random", None, 3).eval()
    network.begin([])
    return network, Forward(network, ForInference(), 0, "32-true")
