"""The network against the paper's Table 1, and what it promises about sizes and precision."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

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
    """The modules that stand for the rows of the table."""
    return [*network.encoder, *network.decoder, network.last]


def kernels(layer: nn.Module) -> list[nn.Module]:
    """The convolutions or the pooling of one layer."""
    return [m for m in layer.modules() if isinstance(m, tuple(TYPES))]


def described(layer: nn.Module, output: Tensor) -> tuple:
    """One layer as a row of the table; the five convolutions of an SDC have to agree."""
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


def narrow(seed: int = 0) -> SDCAutoencoder:
    """A network of a sixteenth of the filters with normalisation statistics that are not the initial ones."""
    torch.manual_seed(seed)
    network = SDCAutoencoder(1 / 16)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 3, 32, 32))
    return network.eval()


NARROW = narrow()


def test_every_layer_is_that_of_table_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """On tensors without content, at full width and 512², in the order in which the layers are called."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no meta device
    with torch.device("meta"):
        network = SDCAutoencoder()
        X = torch.empty(1, 3, 512, 512)
    rows: list[tuple] = []
    for layer in layers(network):
        layer.register_forward_hook(lambda module, _, output: rows.append(described(module, output)))
    assert network(X).shape == X.shape
    assert rows == TABLE_1


def test_convolutions_lie_in_the_layers_of_the_table_and_nowhere_else() -> None:
    network = SDCAutoencoder(1 / 16)
    assert [m for m in network.modules() if isinstance(m, tuple(TYPES))] == [
        k for layer in layers(network) for k in kernels(layer)
    ]


def test_dilation_rates() -> None:
    """1, 2, 4, 8, 16 side by side in each of the four SDC layers, 1 everywhere else."""
    rates = [[square(k.dilation) for k in kernels(layer)] for layer in layers(SDCAutoencoder(1 / 16))]
    assert rates[9:13] == [[1, 2, 4, 8, 16]] * 4
    assert all(rate == [1] for rate in rates[:9] + rates[13:])


def test_the_branches_of_an_sdc_look_at_the_same_input() -> None:
    """Parallel, not one after the other: each branch's receptive field around the centre is five points at its own rate."""
    torch.manual_seed(0)
    sdc = SDC(1, 1).eval()
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
        network = SDCAutoencoder()
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 11_669_507


def test_normalisation_and_relu_after_every_convolution_but_the_last() -> None:
    torch.manual_seed(0)
    network = SDCAutoencoder(1 / 16).train()
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
    assert (outputs[-1] < 0).any(), "the last convolution is followed by a sigmoid alone"
    assert torch.equal(result, torch.sigmoid(outputs[-1]))


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), batch=st.integers(1, 2))
def test_any_size_comes_back_in_its_size_and_in_the_unit_range(height: int, width: int, batch: int) -> None:
    with torch.no_grad():
        output = NARROW(torch.rand(batch, 3, height, width))
    assert output.shape == (batch, 3, height, width)
    assert output.min() >= 0
    assert output.max() <= 1


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_padding_is_exact(height: int, width: int) -> None:
    """An image of any size gives what the same image gives that was padded before, cropped: bit for bit."""
    X = np.random.default_rng([height, width]).random((1, 3, height, width), dtype=np.float32)
    down, right = -height % 8, -width % 8
    mode = "reflect" if down < height and right < width else "edge"
    padded = np.pad(X, ((0, 0), (0, 0), (0, down), (0, right)), mode=mode)
    with torch.no_grad():
        expected = NARROW(torch.from_numpy(padded))[..., :height, :width]
        assert torch.equal(NARROW(torch.from_numpy(X)), expected)


@pytest.mark.parametrize(("size", "seen"), [((8, 8), (8, 8)), ((24, 40), (24, 40)), ((17, 40), (24, 40)), ((24, 33), (24, 40))])
def test_only_sides_that_are_no_multiple_of_8_are_padded(size: tuple[int, int], seen: tuple[int, int]) -> None:
    shapes: list[torch.Size] = []
    handle = NARROW.encoder.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    with torch.no_grad():
        NARROW(torch.rand(1, 3, *size))
    handle.remove()
    assert shapes == [(1, 3, *seen)]


def test_the_input_stays_as_it_was() -> None:
    """ReLUs work in place: never on what the caller holds."""
    X = torch.rand(1, 3, 16, 16) - 0.5
    before = X.clone()
    with torch.no_grad():
        NARROW(X)
    assert torch.equal(X, before)


def test_the_end_stays_in_float32_under_autocast() -> None:
    """bf16 has 8 bits of mantissa, and the signal is a small residual."""
    seen: list[tuple[Tensor, Tensor]] = []
    handle = NARROW.last.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inner = NARROW.encoder(torch.rand(1, 3, 16, 16))
        output = NARROW(torch.rand(1, 3, 16, 16))
    handle.remove()
    assert inner.dtype == torch.bfloat16, "autocast is not at work, so that this test says nothing"
    assert output.dtype == torch.float32
    ((features, logits),) = seen
    assert features.dtype == logits.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(output, torch.sigmoid(NARROW.last(features)))


@pytest.mark.parametrize("width", [0.25, 0.5, 2.0])
def test_width_multiplies_every_number_of_filters_but_the_last(width: float) -> None:
    with torch.device("meta"):
        network = SDCAutoencoder(width)
    counts = [kernels(layer)[0].out_channels for layer in layers(network) if not isinstance(layer, nn.MaxPool2d)]
    printed = [filters for _, filters, *_ in TABLE_1 if filters is not None]
    assert counts == [width * filters for filters in printed[:-1]] + [3]


def test_the_narrowest_network_has_a_filter_a_layer() -> None:
    with torch.no_grad():
        assert SDCAutoencoder(1e-3).eval()(torch.rand(1, 3, 9, 9)).shape == (1, 3, 9, 9)


@pytest.mark.parametrize("width", [0, -1.0, float("nan")])
def test_a_width_that_is_not_positive_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match="width must be positive"):
        SDCAutoencoder(width)


def plain(network: SDCAutoencoder) -> SDCAutoencoder:
    """A copy whose convolutions are all torch's own; it loads the same state dict, as a checkpoint from before them does."""
    copied = SDCAutoencoder(1 / 16)
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
def test_fast_convolutions_give_what_torch_s_own_give_and_their_gradients(side: int) -> None:
    torch.manual_seed(0)
    network = SDCAutoencoder(1 / 16).double()
    reference = plain(network).double()
    network.last.float(), reference.last.float()  # the end is in float32
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
