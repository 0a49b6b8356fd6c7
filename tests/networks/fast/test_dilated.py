"""The dilated convolution has the values and gradients of torch's own."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_lab.networks.fast import dilated


def both(x: Tensor, weight: Tensor, dilation: int, upstream: Tensor) -> list[list[Tensor]]:
    """[output, gradient of x, gradient of the weight], by our convolution and by torch's."""
    results = []
    for conv in (dilated.conv2d, lambda x, w, d: F.conv2d(x, w, padding=w.shape[-1] // 2 * d, dilation=d)):
        x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
        output = conv(x, weight, dilation)
        output.backward(upstream.to(output.dtype))
        results.append([output.detach(), x.grad, weight.grad])  # type: ignore[list-item]
    return results


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 21), st.integers(1, 21)),
    filters=st.integers(1, 3),
    k=st.sampled_from([1, 3, 5]),
    dilation=st.integers(1, 16),
    last=st.booleans(),
)
def test_equals_torch_s_convolution_in_value_and_gradients(
    shape: tuple[int, int, int, int], filters: int, k: int, dilation: int, last: bool
) -> None:
    random = torch.Generator().manual_seed(hash((shape, filters, k, dilation)) % 2**31)
    x = torch.randn(shape, generator=random, dtype=torch.float64)
    weight = torch.randn((filters, shape[1], k, k), generator=random, dtype=torch.float64)
    if last:
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    upstream = torch.randn((shape[0], filters, *shape[2:]), generator=random, dtype=torch.float64)
    ours, torchs = both(x, weight, dilation, upstream)
    assert torch.equal(ours[0], torchs[0])
    for mine, reference in zip(ours[1:], torchs[1:], strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dilation", [1, 2, 4, 8, 16])
def test_under_autocast_it_is_as_exact_as_torch_s(dilation: int) -> None:
    """Errors of the bf16 gradients against float64; the inputs are bf16 numbers, so only the results are rounded."""
    torch.manual_seed(0)
    x, weight, upstream = torch.randn(2, 24, 16, 16), torch.randn(8, 24, 5, 5), torch.randn(2, 8, 16, 16)
    x, weight, upstream = (t.bfloat16().float() for t in (x, weight, upstream))
    exact = both(x.double(), weight.double(), dilation, upstream.double())[1][2]
    with torch.autocast("cpu", torch.bfloat16):
        ours, torchs = both(x, weight, dilation, upstream)
    assert ours[0].dtype == torch.bfloat16, "autocast has an effect"
    assert torch.equal(ours[0], torchs[0])
    assert ours[2].dtype == torch.float32
    errors = [(found[2] - exact).norm() / exact.norm() for found in (ours, torchs)]
    assert errors[0] < 0.003, "half a bit of bf16's eight, on average"
    assert errors[0] < 1.05 * errors[1]


def test_it_replaces_torch_s_gradient_only_where_that_is_slow() -> None:
    x, weight = torch.randn(1, 4, 16, 16), torch.randn(2, 4, 5, 5, requires_grad=True)
    ways = {d: dilated.conv2d(x, weight, d).grad_fn.name() for d in (1, 2, 3, 4, 8, 16)}  # type: ignore[union-attr]
    assert [d for d, name in ways.items() if "_Conv2d" in name] == [4, 8, 16]
    with torch.no_grad():
        assert dilated.conv2d(x, weight, 4).grad_fn is None


UNWRITTEN = """
import itertools, torch
from anomaly_lab.networks.fast.dilated import conv2d

def fill_freed_memory(value):
    for size in (2**12, 2**16, 2**20):
        filled = [torch.full((size,), value) for _ in range(8)]
        del filled

channels = (17, 18, 20, 24, 40, 60, 100, 120), (1, 2, 4, 8), (16, 32, 48), (float("nan"), 1e3)
for c_in, dilation, side, garbage in itertools.product(*channels):
    random = torch.Generator().manual_seed(c_in + dilation + side)
    shapes = (1, c_in, side, side), (4, c_in, 5, 5), (1, 4, side, side)
    values = [torch.randn(shape, generator=random).bfloat16() for shape in shapes]
    results = []
    for kind in (torch.float64, torch.bfloat16):
        x, weight, upstream = (v.to(kind).contiguous(memory_format=torch.channels_last) for v in values)
        x.requires_grad_(), weight.requires_grad_()
        fill_freed_memory(garbage)
        output = conv2d(x, weight, dilation)
        fill_freed_memory(garbage)
        output.backward(upstream)
        results.append([t.detach().double() for t in (output, x.grad, weight.grad)])
    for exact, found, name in zip(*results, ("output", "gradient of x", "gradient of the weight")):
        error = float((found - exact).norm() / exact.norm())
        assert error < 0.01, f"{name}: error {error}, {c_in} channels, dilation {dilation}, {side}²"
"""


@pytest.mark.parametrize("instructions", ["AVX512_CORE_BF16", "DEFAULT"])
def test_no_bf16_gradient_holds_unwritten_memory(instructions: str) -> None:
    """Where torch's own gradient does: without AMX, more than 16 channels that are no multiple of 16, dilation > 1, large maps.

    Freed memory is filled with NaN and with large numbers, which unwritten places then hold. oneDNN takes its instructions from
    the environment when it starts, hence the process.
    """
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", UNWRITTEN], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
