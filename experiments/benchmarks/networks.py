"""The networks that are compared: ours, and the same one of torch's own layers in float32 as plain eager torch runs it."""

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder
from anomaly_lab.objectives import restore

GFLOP = 49.7 / 256**2  # of a forward pass at width 1, a pixel; 2 × multiply-adds, padding counted
CHANNELS_LAST = torch.channels_last


def plain(width: float) -> SDCAutoencoder:
    """Table 1 of torch's own convolutions only."""
    network = SDCAutoencoder(width, checkpointing=False, standardize=True)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and type(child) is not nn.Conv2d:
                own = nn.Conv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,  # type: ignore[arg-type]
                    padding=child.padding,  # type: ignore[arg-type]
                    dilation=child.dilation,  # type: ignore[arg-type]
                    bias=child.bias is not None,
                )
                setattr(module, name, own)
    return network


def precision(fast: bool) -> contextlib.AbstractContextManager:
    return torch.autocast("cpu", torch.bfloat16) if fast else contextlib.nullcontext()


def pair(batch: int, side: int) -> tuple[Tensor, Tensor]:
    """Random images and a mask of a sixteenth of their pixels."""
    X, M = torch.rand(batch, 3, side, side), torch.zeros(batch, 1, side, side)
    M[..., : side // 4, : side // 4] = 1
    return X, M


def stepper(width: float, batch: int, side: int, fast: bool, checkpointing: bool = False) -> Callable[[], None]:
    """One training step: forward, objective (1), backward, AdamW. `fast`: as trained here; else plain float32 eager."""
    network = SDCAutoencoder(width, checkpointing, standardize=True).to(memory_format=CHANNELS_LAST) if fast else plain(width)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True if fast else None)
    X, M = pair(batch, side)

    def step() -> None:
        with precision(fast):
            output = network(X.contiguous(memory_format=CHANNELS_LAST) if fast else X)
        loss = restore(output.float(), X, X, M, lam=0.5, norm="l2")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
