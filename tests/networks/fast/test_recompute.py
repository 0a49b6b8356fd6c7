"""Activation checkpointing: the same results bit for bit with less memory."""

import torch
from torch import Tensor, nn

from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder


def step(checkpointing: bool) -> tuple[SDCAutoencoder, list[Tensor], int]:
    """A network after two training steps, its gradients, and the bytes that the last forward pass stored."""
    torch.manual_seed(0)
    network = SDCAutoencoder(1 / 16, checkpointing=checkpointing, standardize=False)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    X = torch.rand(2, 3, 48, 40)
    for _ in range(2):
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        optimizer.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = (network(X) - X).square().mean()
        size = sum(kept.values())
        loss.backward()
        optimizer.step()
    return network, [p.grad for p in network.parameters() if p.grad is not None], size


def test_gradients_weights_and_running_statistics_are_the_same_bit_for_bit() -> None:
    (plain, gradients, much), (checkpointed, same, little) = step(False), step(True)
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))
    for (name, a), b in zip(plain.state_dict().items(), checkpointed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert little < much / 3
    assert all(norm.momentum == 0.1 for norm in checkpointed.modules() if isinstance(norm, nn.BatchNorm2d))
