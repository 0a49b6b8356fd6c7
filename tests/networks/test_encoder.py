"""The encoder's vectors: one per patch, from the two maps of its backbone."""

import pytest
import torch
import torch.nn.functional as F

from anomaly_lab.networks.encoder import Encoder


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
