"""Less memory for more time: the backward pass recomputes the activations inside a segment instead of storing them."""

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(segment: nn.Module, x: Tensor) -> Tensor:
    """`segment(x)`; of its activations only x is stored.

    Values, gradients and running statistics equal those of a plain call, bit for bit.
    """
    result: Tensor = checkpoint(
        segment,
        x,
        use_reentrant=False,
        preserve_rng_state=False,  # a segment uses no random numbers
        context_fn=lambda: (contextlib.nullcontext(), _statistics_kept(segment)),
    )
    return result


@contextlib.contextmanager
def _statistics_kept(segment: nn.Module) -> Iterator[None]:
    """In the block, normalisations do not update their running statistics, because the first pass has updated them."""
    norms = [m for m in segment.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [(norm, norm.momentum, norm.num_batches_tracked.clone()) for norm in norms if norm.num_batches_tracked is not None]
    for norm, *_ in before:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, batches in before:
            norm.momentum = momentum
            norm.num_batches_tracked = batches
