"""A dilated convolution whose weight gradient on a CPU is fast for wide kernels, and right in bfloat16.

oneDNN, which computes torch's convolutions on a CPU, has two faults here:

- For a kernel that is wider than its input map it uses a general routine that is 3 to 40 times slower than this module
  (ONEDNN_VERBOSE=1 shows it as gemm:jit). The case is common: for crops of 128² the bottleneck's map is 16², and a 5×5 kernel
  with dilation 4 spans 17. Most taps of such a kernel never meet the map; the others are a few matrix products.
- In bfloat16, on processors with AVX-512 but without AMX, it leaves parts of the weight gradient unwritten (docs/upstream.md).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class DilatedConv2d(nn.Conv2d):
    """A k×k convolution without bias, with dilation `rate` and padding that keeps the size: (B, C, H, W) → (B, O, H, W)."""

    def __init__(self, c_in: int, c_out: int, k: int, rate: int) -> None:
        super().__init__(c_in, c_out, k, padding=k // 2 * rate, dilation=rate, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        folded = self.bias is not None  # a normalisation has been merged into the weights, for inference
        return super().forward(x) if folded else conv2d(x, self.weight, self.dilation[0])


def conv2d(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """`F.conv2d` with padding that keeps the size: x (B, C, H, W), weight (O, C, k, k) with odd k → (B, O, H, W).

    The result equals torch's bit for bit; the gradient of the weight equals the exact one up to rounding.
    """
    reach = weight.shape[-1] // 2 * dilation
    if torch.is_grad_enabled() and weight.requires_grad and x.device.type == "cpu":
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        unwritten = kind == torch.bfloat16 and dilation > 1 and weight.shape[1] > 16 and weight.shape[1] % 16 > 0
        if torch.compiler.is_compiling():  # the compiler can't look into the gradient below
            if unwritten:
                with torch.autocast("cpu", enabled=False):
                    return F.conv2d(x.float(), weight.float(), padding=reach, dilation=dilation).to(kind)
        elif unwritten or 2 * reach >= min(x.shape[-2:]):
            return _Conv2d.apply(x.to(kind), weight.to(kind), dilation)
    return F.conv2d(x, weight, padding=reach, dilation=dilation)


class _Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2 * dilation, dilation=dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        dilation, reach = [ctx.dilation] * 2, [weight.shape[-1] // 2 * ctx.dilation] * 2
        want = (ctx.needs_input_grad[0], False, False)
        grad_x = torch.ops.aten.convolution_backward(grad, x, weight, None, [1, 1], reach, dilation, False, [0, 0], 1, want)[0]
        return grad_x, weight_gradient(x, grad, weight.shape[-1], ctx.dilation), None


def weight_gradient(x: Tensor, grad: Tensor, k: int, dilation: int) -> Tensor:
    """∂/∂W Σ grad ⊙ conv(x, W), from the input x (B, C, H, W) and the output's gradient (B, O, H, W): (O, C, k, k).

    The gradient of tap (i, j), counted from the middle, is the sum over the map of grad[y, x] · x[y + i·d, x + j·d]. Each i
    takes one matrix product over the rows that overlap; it computes all j together.
    """
    x, grad = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)  # (B, H, W, C) and (B, H, W, O): channels are contiguous
    (batch, height, width, c_in), c_out, half = x.shape, grad.shape[-1], k // 2
    down, right = min(half, (height - 1) // dilation), min(half, (width - 1) // dilation)  # taps that reach the map
    taps = 2 * right + 1
    grad = F.pad(grad, (0, 0, right * dilation, right * dilation)).contiguous()
    weight = x.new_zeros((k, k, c_out, c_in))
    for i in range(-down, down + 1):
        rows = height - abs(i) * dilation
        seen = x[:, max(0, i * dilation) :][:, :rows].reshape(-1, c_in)  # (B·rows·W, C)
        part = grad[:, max(0, -i * dilation) :][:, :rows]
        # a view of the padded rows at `taps` shifts of d pixels each; the first shift belongs to the last tap
        image, row, pixel, _ = part.stride()
        shape = (batch, rows, width, taps, c_out)
        shifted = part.as_strided(shape, (image, row, pixel, dilation * pixel, 1), part.storage_offset())
        product = shifted.reshape(-1, taps * c_out).t() @ seen  # (taps·O, C)
        weight[half + i, half - right : half + right + 1] = product.view(taps, c_out, c_in).flip(0)
    return weight.permute(2, 3, 0, 1)
