"""Gradients in bfloat16 against float64, with what freed memory may hold: NaN, or finite garbage. Status 1 if one is wrong.

python experiments/robustness/gradients.py convolutions | scan | networks
"""

import itertools
import sys

import torch
import torch.nn.functional as F

from anomaly_lab.networks.fast.dilated import conv2d
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder

LARGEST = 0.05  # relative error; bfloat16 has 8 bits, a right gradient stays below .02
SHAPES = {  # input channels, output channels, dilations, side of the map
    "convolutions": [*itertools.product((20, 80), (4, 16), (1, 2, 4, 8, 12, 16), (16, 32))],
    "scan": [*itertools.product((16, 18, 24, 32, 40, 100, 120), (8,), (2, 8), (20, 32, 64))],
}


def garbage(value: float) -> None:
    """Fill memory that is then freed."""
    kept = [torch.full((1 << power,), value) for power in (12, 14, 16, 18, 20) for _ in range(8)]
    del kept


def gradients(c_in: int, c_out: int, dilation: int, side: int, kind: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(0)
    x, weight = torch.randn(2, c_in, side, side), torch.randn(c_out, c_in, 5, 5) * 0.05
    gradient = torch.randn(2, c_out, side, side)
    a, b = (each.to(kind).contiguous(memory_format=torch.channels_last).requires_grad_() for each in (x, weight))
    made = F.conv2d(a, b, padding=2 * dilation, dilation=dilation) if kind == torch.float64 else conv2d(a, b, dilation)
    made.backward(gradient.to(kind))
    return [each.grad.double() for each in (a, b) if each.grad is not None]


def error(found: torch.Tensor, exact: torch.Tensor) -> float:
    """The relative error; infinite where a value is not finite."""
    if not found.isfinite().all():
        return float("inf")
    return float((found - exact).norm() / exact.norm().clamp_min(1e-12))


def of_convolutions(name: str) -> float:
    worst = 0.0
    for c_in, c_out, dilation, side in SHAPES[name]:
        exact = gradients(c_in, c_out, dilation, side, torch.float64)
        for value in (float("nan"), 7.0):
            garbage(value)
            found = gradients(c_in, c_out, dilation, side, torch.bfloat16)
            worst = max(worst, *map(error, found, exact))
    return worst


def of_networks() -> float:
    """Every gradient of whole networks is finite and points as float32's does; single ones are small and noisy."""
    worst = 0.0
    for width, side in itertools.product((0.0625, 0.125, 0.1875, 0.25), (64, 128)):
        torch.manual_seed(0)
        network = SDCAutoencoder(width=width, checkpointing=False, standardize=False).train()
        network = network.to(memory_format=torch.channels_last)
        X, found = torch.rand(2, 3, side, side), []
        for half in (False, True, True):
            network.zero_grad()
            garbage(float("nan") if len(found) < 2 else 7.0)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = (network(X).float() - X).square().mean()
            loss.backward()
            found.append(torch.cat([p.grad.flatten().double() for p in network.parameters() if p.grad is not None]))
        worst = max(worst, *(error(each, found[0]) for each in found[1:]))
    return worst


if __name__ == "__main__":
    torch.set_num_threads(1)
    worst = of_networks() if sys.argv[1] == "networks" else of_convolutions(sys.argv[1])
    limit = 1.0 if sys.argv[1] == "networks" else LARGEST
    print(f"largest relative error {worst:.3g}, at most {limit:g} is right")
    sys.exit(not worst <= limit)
