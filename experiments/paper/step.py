"""One training step of the configured network: its arithmetic, what it keeps in memory, and its time on the present device."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anomaly_lab.build import build
from anomaly_lab.objectives import restore
from anomaly_lab.training.device import best_precision

SIDES = (16, 32)  # of the crops on which it counts: both grow along a line, and bf16 is slow on many processors


class Counted(NamedTuple):
    """What a network's step takes, by counting.

    parameters: numbers in its weights
    flops:      floating-point operations of a forward pass for a pixel, 2 × multiply-adds
    kept:       bytes that the forward pass keeps for the backward pass, for a pixel
    """

    parameters: int
    flops: float
    kept: float


def counted(record: dict[str, Any]) -> Counted:
    """Count on a small crop, on this processor, in bf16 as on a GPU. `record`: the configuration's model."""
    network: nn.Module = build(record)
    (flops, kept), (more_flops, more_kept) = (_forward(network, side) for side in SIDES)
    pixels = SIDES[1] ** 2 - SIDES[0] ** 2  # the difference, since the copies of the weights in bf16 do not grow
    parameters = sum(p.numel() for p in network.parameters())
    return Counted(parameters, (more_flops - flops) / pixels, (more_kept - kept) / pixels)


def _forward(network: nn.Module, side: int) -> tuple[int, int]:
    """(floating-point operations, bytes kept) of a forward pass with the objective on one crop."""
    kept: dict[int, Tensor] = {}  # by their place in memory: several layers keep the same tensor

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    X, M = _batch(1, side, torch.device("cpu"))
    with _arithmetic(network) as flops, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16):
            output = network(X)
        restore(output.float(), X, X, M, lam=0.5, norm="l2")
    return sum(flops), sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@contextlib.contextmanager
def _arithmetic(network: nn.Module) -> Iterator[list[int]]:
    """Yield a list that gets the operations of each convolution that runs in the block: 2 × its weights × its positions."""
    found: list[int] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        at = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output  # where the kernel is placed
        found.append(2 * layer.weight.numel() * at.shape[0] * at.shape[-2] * at.shape[-1])  # type: ignore[operator]

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def device() -> torch.device:
    """The GPU, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def stepper(record: dict[str, Any], batch: int, side: int, on: torch.device) -> Callable[[], None]:
    """A function that makes one training step on `batch` crops of `side`²: forward, objective, backward, AdamW."""
    network = build(record).to(on, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    X, M = _batch(batch, side, on)
    half = best_precision("gpu" if on.type == "cuda" else "cpu") == "bf16-mixed"

    def step() -> None:
        with torch.autocast(on.type, torch.bfloat16, enabled=half):
            output = network(X.contiguous(memory_format=torch.channels_last))
        loss = restore(output.float(), X, X, M, lam=0.5, norm="l2")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def seconds(record: dict[str, Any], batch: int, side: int, on: torch.device, repeats: int) -> float:
    """The shortest of `repeats` steps, after one that is not counted: whatever else the machine does only adds to it."""
    step, found = stepper(record, batch, side, on), []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        step()
        if on.type == "cuda":
            torch.cuda.synchronize(on)
        found.append(time.perf_counter() - begun)
    return min(found[1:])


def _batch(batch: int, side: int, on: torch.device) -> tuple[Tensor, Tensor]:
    """Random images, and a mask of a sixteenth of their pixels."""
    X, M = torch.rand(batch, 3, side, side, device=on), torch.zeros(batch, 1, side, side, device=on)
    M[..., : side // 4, : side // 4] = 1
    return X, M
