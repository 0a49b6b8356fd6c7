"""The network against the paper's Table 1; its promises about sizes, precision and light."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from anomaly_lab.networks import sdc_autoencoder
from anomaly_lab.networks.sdc_autoencoder import SDC, SDCAutoencoder, standardised

# Table 1 as printed, for an input of 512 × 512: layer type, number of filters, filter size, stride, output size
TABLE_1 = [
    ("Conv.", 32, 3, 1, (512, 512, 32)),
    ("Conv.", 32, 3, 1, (512, 512, 32)),
    ("MaxPool.", None, 2, 2, (256, 256, 32)),
    ("Conv.", 64, 3, 1, (256, 256, 64)),
    ("Conv.", 64, 3, 1, (256, 256, 64)),
    ("MaxPool.", None, 2, 2, (128, 128, 64)),
    ("Conv.", 128, 3, 1, (128, 128, 128)),
    ("Conv.", 128, 3, 1, (128, 128, 128)),
    ("MaxPool.", None, 2, 2, (64, 64, 128)),
    ("SDC", 64, 5, 1, (64, 64, 320)),
    ("SDC", 64, 5, 1, (64, 64, 320)),
    ("SDC", 64, 5, 1, (64, 64, 320)),
    ("SDC", 64, 5, 1, (64, 64, 320)),
    ("Conv.", 256, 3, 1, (64, 64, 256)),
    ("Transp. Conv.", 256, 3, 2, (128, 128, 256)),
    ("Conv.", 256, 3, 1, (128, 128, 256)),
    ("Conv.", 128, 3, 1, (128, 128, 128)),
    ("Transp. Conv.", 128, 3, 2, (256, 256, 128)),
    ("Conv.", 128, 3, 1, (256, 256, 128)),
    ("Conv.", 64, 3, 1, (256, 256, 64)),
    ("Transp. Conv.", 64, 3, 2, (512, 512, 64)),
    ("Conv.", 64, 3, 1, (512, 512, 64)),
    ("Conv.", 32, 3, 1, (512, 512, 32)),
    ("Conv.", 3, 1, 1, (512, 512, 3)),
]
TYPES = {nn.Conv2d: "Conv.", nn.ConvTranspose2d: "Transp. Conv.", nn.MaxPool2d: "MaxPool."}


def layers(network: SDCAutoencoder) -> list[nn.Module]:
    """The modules that correspond to the rows of the table."""
    return [*network.encoder, *network.decoder, network.last]


def kernels(layer: nn.Module) -> list[nn.Module]:
    """The convolutions or the pooling of one layer."""
    return [m for m in layer.modules() if isinstance(m, tuple(TYPES))]


def described(layer: nn.Module, output: Tensor) -> tuple:
    """One layer as a row of the table; the five convolutions of an SDC layer must agree."""
    (row,) = {
        (name, getattr(k, "out_channels", None), square(k.kernel_size), square(k.stride))
        for k in kernels(layer)
        for kind, name in TYPES.items()
        if isinstance(k, kind)
    }
    channels, height, width = output.shape[1:]
    return ("SDC" if isinstance(layer, SDC) else row[0], *row[1:], (height, width, channels))


def square(side: int | tuple[int, ...]) -> int:
    """The side of a square kernel or stride."""
    (value,) = {side} if isinstance(side, int) else set(side)
    return value


def table_1(width: float) -> SDCAutoencoder:
    """The paper's network without our additions."""
    return SDCAutoencoder(width, checkpointing=False, standardize=False)


def narrow() -> SDCAutoencoder:
    """A network with a sixteenth of the filters, whose normalisation statistics differ from the initial ones."""
    torch.manual_seed(0)
    network = table_1(1 / 16)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 3, 32, 32))
    return network.eval()


NARROW = narrow()


def test_every_layer_is_that_of_table_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """At full width and 512², on tensors without content, in the order of the calls."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # autocast does not support the meta device
    with torch.device("meta"):
        network = table_1(1.0)
        X = torch.empty(1, 3, 512, 512)
    rows: list[tuple] = []
    for layer in layers(network):
        layer.register_forward_hook(lambda module, _, output: rows.append(described(module, output)))
    assert network(X).shape == X.shape
    assert rows == TABLE_1


def test_all_convolutions_are_in_the_layers_of_the_table() -> None:
    network = table_1(1 / 16)
    assert [m for m in network.modules() if isinstance(m, tuple(TYPES))] == [
        k for layer in layers(network) for k in kernels(layer)
    ]


def test_dilation_rates() -> None:
    """1, 2, 4, 8, 16 in parallel in each of the four SDC layers, and 1 in all other layers."""
    rates = [[square(k.dilation) for k in kernels(layer)] for layer in layers(table_1(1 / 16))]
    assert rates[9:13] == [[1, 2, 4, 8, 16]] * 4
    assert all(rate == [1] for rate in rates[:9] + rates[13:])


def test_the_branches_of_an_sdc_layer_have_the_same_input() -> None:
    """They are parallel, not sequential: each branch sees five points around the centre, at its own rate."""
    torch.manual_seed(0)
    sdc = SDC(1, 1, (1, 2, 4, 8, 16)).eval()
    X = torch.zeros(1, 1, 81, 81)
    X[..., 40, 40] = 1
    outputs: list[Tensor] = [branch(X)[0, 0] for branch in sdc.branches]
    for rate, output in zip((1, 2, 4, 8, 16), outputs, strict=True):
        rows, columns = np.nonzero(output.detach().numpy())
        expected = [40 + step * rate for step in (-2, -1, 0, 1, 2)]
        assert sorted(set(rows.tolist())) == sorted(set(columns.tolist())) == expected
    expected_output = F.relu(sdc.norm(torch.stack(outputs)[None]))
    assert torch.equal(sdc(X), expected_output)


def test_number_of_parameters() -> None:
    with torch.device("meta"):
        network = table_1(1.0)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 11_669_507


def test_normalisation_and_relu_follow_every_convolution_except_the_last() -> None:
    torch.manual_seed(0)
    network = table_1(1 / 16).train()
    normalised: list[Tensor] = []
    outputs: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, output: normalised.append(output.clone()))
    convolutional = [layer for layer in layers(network) if not isinstance(layer, nn.MaxPool2d)]
    for layer in convolutional:
        layer.register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    result = network(torch.rand(4, 3, 32, 32))
    assert len(outputs) == 21
    assert len(normalised) == 20
    for before, after in zip(normalised, outputs, strict=False):
        assert before.mean((0, 2, 3)).abs().max() < 1e-4
        assert torch.equal(after, before.clamp_min(0))
        assert (before < 0).any()
    assert (outputs[-1] < 0).any(), "only a sigmoid follows the last convolution"
    assert torch.equal(result, torch.sigmoid(outputs[-1]))


@settings(max_examples=40)
@given(height=st.integers(1, 70), width=st.integers(1, 70), batch=st.integers(1, 2))
def test_the_output_has_the_size_of_the_input_and_lies_in_the_unit_range(height: int, width: int, batch: int) -> None:
    with torch.no_grad():
        output = NARROW(torch.rand(batch, 3, height, width))
    assert output.shape == (batch, 3, height, width)
    assert output.min() >= 0
    assert output.max() <= 1


@settings(max_examples=40)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_padding_is_exact(height: int, width: int) -> None:
    """The output for an image equals the cropped output for the same image padded by hand, bit for bit."""
    X = np.random.default_rng([height, width]).random((1, 3, height, width), dtype=np.float32)
    down, right = -height % 8, -width % 8
    mode = "reflect" if down < height and right < width else "edge"
    padded = np.pad(X, ((0, 0), (0, 0), (0, down), (0, right)), mode=mode)
    with torch.no_grad():
        expected = NARROW(torch.from_numpy(padded))[..., :height, :width]
        assert torch.equal(NARROW(torch.from_numpy(X)), expected)


@pytest.mark.parametrize(("size", "seen"), [((8, 8), (8, 8)), ((24, 40), (24, 40)), ((17, 40), (24, 40)), ((24, 33), (24, 40))])
def test_only_sides_that_are_not_multiples_of_8_are_padded(size: tuple[int, int], seen: tuple[int, int]) -> None:
    shapes: list[torch.Size] = []
    handle = NARROW.encoder.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    with torch.no_grad():
        NARROW(torch.rand(1, 3, *size))
    handle.remove()
    assert shapes == [(1, 3, *seen)]


def test_the_input_is_not_changed() -> None:
    """The in-place ReLUs must not write into the caller's tensor."""
    X = torch.rand(1, 3, 16, 16) - 0.5
    before = X.clone()
    with torch.no_grad():
        NARROW(X)
    assert torch.equal(X, before)


def test_the_end_stays_in_float32_under_autocast() -> None:
    """The signal is a small difference between F(X) and X, and bf16 has a mantissa of 8 bits."""
    seen: list[tuple[Tensor, Tensor]] = []
    handle = NARROW.last.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inner = NARROW.encoder(torch.rand(1, 3, 16, 16))
        output = NARROW(torch.rand(1, 3, 16, 16))
    handle.remove()
    assert inner.dtype == torch.bfloat16, "autocast has no effect, so this test would show nothing"
    assert output.dtype == torch.float32
    ((features, logits),) = seen
    assert features.dtype == logits.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(output, torch.sigmoid(NARROW.last(features)))


@pytest.mark.parametrize("width", [0.25, 0.5, 2.0])
def test_width_multiplies_every_number_of_filters_except_the_last(width: float) -> None:
    with torch.device("meta"):
        network = table_1(width)
    counts = [kernels(layer)[0].out_channels for layer in layers(network) if not isinstance(layer, nn.MaxPool2d)]
    printed = [filters for _, filters, *_ in TABLE_1 if filters is not None]
    assert counts == [width * filters for filters in printed[:-1]] + [3]


def test_the_narrowest_network_has_one_filter_per_layer() -> None:
    with torch.no_grad():
        assert table_1(1e-3).eval()(torch.rand(1, 3, 9, 9)).shape == (1, 3, 9, 9)


@pytest.mark.parametrize("width", [0, -1.0, float("nan")])
def test_a_width_that_is_not_positive_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match=r"model\.width is .*: it must be a positive number"):
        table_1(width)


def plain(network: SDCAutoencoder) -> SDCAutoencoder:
    """A copy with torch's own convolutions only; it loads the same state dict."""
    copied = table_1(1 / 16)
    for module in copied.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                own = nn.Conv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,
                    padding=child.padding,
                    dilation=child.dilation,
                    bias=child.bias is not None,
                )
                setattr(module, name, own)
    copied.load_state_dict(network.state_dict())
    return copied


@pytest.mark.parametrize("side", [32, 72, 128])
def test_our_convolutions_have_the_values_and_gradients_of_torch_s(side: int) -> None:
    torch.manual_seed(0)
    network = table_1(1 / 16).double()
    reference = plain(network).double()
    network.last.float(), reference.last.float()  # the end computes in float32
    assert not any(type(m).__name__ in ("DilatedConv2d", "Pointwise") for m in reference.modules())
    X = torch.rand(2, 3, side, side, dtype=torch.float64)
    outputs = [net(X).sub(X) for net in (network, reference)]
    for output in outputs:
        output.square().mean().backward()
    assert torch.allclose(*outputs, rtol=0, atol=1e-6)
    for (name, ours), torchs in zip(network.named_parameters(), reference.parameters(), strict=True):
        assert ours.grad is not None and torchs.grad is not None
        assert (ours.grad - torchs.grad).norm() <= 1e-5 * torchs.grad.norm() + 1e-12, name


def test_a_standardised_network_is_table_1_between_a_normalisation_and_its_inverse() -> None:
    network, X = copy.deepcopy(NARROW), torch.rand(2, 3, 16, 24)
    network.standardize = True
    with torch.no_grad():
        torch.testing.assert_close(network(X), standardised(NARROW, X))


def halves() -> Tensor:
    """Two images: one has pixels of 0.3 and 0.5 (mean 0.4, spread 0.1); the other has 0.9 everywhere."""
    X = torch.full((2, 3, 4, 4), 0.3)
    X[0, :, :2], X[1] = 0.5, 0.9
    return X


def test_standardised_by_hand() -> None:
    """A spread of 0.1 grows by the least spread of 0.02; a flat image stays flat."""
    X, spread, seen = halves(), (0.1**2 + 0.02**2) ** 0.5, []
    torch.testing.assert_close(standardised(lambda x: seen.append(x) or x, X), X)
    assert seen[0][0].unique().tolist() == pytest.approx([0.5 - 0.14 * 0.1 / spread, 0.5 + 0.14 * 0.1 / spread])
    assert seen[0][1].unique().tolist() == pytest.approx([0.5], abs=1e-5)
    white = standardised(torch.ones_like, X)
    assert white[0].unique().tolist() == pytest.approx([0.4 + 0.5 * spread / 0.14])
    assert white[1].unique().tolist() == pytest.approx([0.9 + 0.5 * 0.02 / 0.14])
    assert float(standardised(torch.ones_like, X + 0.1).max()) == 1.0, "the output stays in [0, 1]"


@given(st.floats(0.3, 1.4), st.floats(-0.2, 0.2), st.integers(0, 5))
def test_a_standardised_network_follows_brightness_and_contrast(contrast: float, brightness: float, seed: int) -> None:
    """F(a·X + b) = a·F(X) + b for any network, if no value leaves [0, 1] and no least spread is added."""
    generator = torch.Generator().manual_seed(seed)
    whole = 0.5 + 0.05 * torch.randn(2, 3, 24, 32, generator=generator).clamp(-3, 3)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid())
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(sdc_autoencoder, "LEAST_SPREAD", 0.0)
        other = 0.5 + contrast * (whole - 0.5) + brightness
        plain, follows = standardised(network, whole), standardised(network, other)
    torch.testing.assert_close(follows, 0.5 + contrast * (plain - 0.5) + brightness, atol=1e-4, rtol=0)
