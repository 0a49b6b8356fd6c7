"""Less memory for more time: the backward pass recomputes the activations inside a segment instead of storing them."""

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(segment: nn.Module, x: Tensor) -> Tensor:
    """`segment(x)` and its gradients and running statistics, bit for bit; only x is stored. It must use no random numbers."""
    contexts = contextlib.nullcontext(), _statistics_kept(segment)
    result: Tensor = checkpoint(segment, x, use_reentrant=False, preserve_rng_state=False, context_fn=lambda: contexts)
    return result


@contextlib.contextmanager
def _statistics_kept(segment: nn.Module) -> Iterator[None]:
    """In the block, normalisations do not update their running statistics, because the first pass has updated them."""
    before = [(m, m.momentum, m.num_batches_tracked) for m in segment.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm, *_ in before:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, batches in before:
            norm.momentum, norm.num_batches_tracked = momentum, batches
