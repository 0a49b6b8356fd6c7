"""EfficientNet-Lite0 against the network that its weights were published with, and the encoder's vectors from its two maps."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from anomaly_lab.networks.efficientnet_lite import EfficientNetLite0, Encoder


def reference_maps(network: Any, X: Tensor) -> tuple[Tensor, Tensor]:
    """The published network's maps of strides 8 and 16."""
    x = network._bn0(network._conv_stem((X - 127 / 255) / (128 / 255))).clamp(0, 6)
    found = []
    for block in network._blocks[:11]:
        x = block(x)
        found.append(x)
    return found[4], found[10]


def test_the_maps_are_those_of_the_published_network(lite0: Any, reference: Any) -> None:
    """The same numbers up to the borders, though our normalisations are folded into the convolutions."""
    X = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))  # its padding is computed for this size
    with torch.no_grad():
        for ours, theirs in zip(lite0(X), reference_maps(reference, X), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
            assert ours.std() > 0.1


@pytest.mark.parametrize(
    ("picture", "classes"), [("chelsea", range(281, 286)), ("rocket", (657, 744, 812)), ("coffee", (967,))]
)
def test_the_weights_recognise_known_pictures(lite0: Any, reference: Any, picture: str, classes: Any) -> None:
    """ImageNet's cats are classes 281 to 285; projectile, missile and space shuttle are 657, 744 and 812; espresso is 967."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    import cv2

    image = getattr(data, picture)()
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    image = cv2.resize(image[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    X = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        x = lite0(X)[1]
        for block in reference._blocks[11:]:
            x = block(x)
        x = reference._bn1(reference._conv_head(x)).clamp(0, 6).mean((-2, -1))
        best = reference._fc(x)[0].topk(3).indices.tolist()
    assert set(best) & set(classes), best


@pytest.mark.parametrize("size", [(64, 64), (65, 72), (80, 33)])
def test_strides_and_channels(size: tuple[int, int]) -> None:
    for found, channels, stride in zip(EfficientNetLite0()(torch.rand(2, 3, *size)), (40, 112), (8, 16), strict=True):
        assert found.shape == (2, channels, -(-size[0] // stride), -(-size[1] // stride))


def test_random_weights_keep_the_order_of_magnitude() -> None:
    torch.manual_seed(0)
    for found in EfficientNetLite0()(torch.rand(2, 3, 64, 64)):
        assert 0.05 < found.std() < 20


@pytest.mark.parametrize("size", [(64, 64), (65, 72), (80, 33), (32, 40)])
def test_each_patch_has_a_vector_also_an_incomplete_patch_at_the_border(size: tuple[int, int]) -> None:
    found = Encoder()(torch.rand(2, 3, *size))
    assert found.shape == (2, 152, -(-size[0] // 8), -(-size[1] // 8))


def test_a_vector_is_the_fine_map_beside_the_enlarged_coarse_map() -> None:
    encoder, X = Encoder().eval(), torch.rand(1, 3, 40, 48)
    with torch.no_grad():
        fine, coarse = encoder.backbone(X)
        found = encoder(X)
    assert torch.equal(found[:, :40], fine)
    enlarged = F.interpolate(coarse, scale_factor=2, mode="bilinear")
    assert torch.equal(found[:, 40:], enlarged[..., :5, :6])
