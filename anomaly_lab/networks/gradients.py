"""Gradients with respect to an image in testing, where they are switched off otherwise."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


@contextlib.contextmanager
def gradients(X: Tensor) -> Iterator[Tensor]:
    """A copy of X, a float32 leaf that requires a gradient, and a context in which gradients are computed in float32."""
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(X.device.type, enabled=False):
        yield X.detach().clone().float().requires_grad_()
