"""Less memory for more time: activations inside of a segment are computed once more for the backward pass, not kept."""

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(segment: nn.Module, x: Tensor) -> Tensor:
    """`segment(x)`, of which only x is kept. Values, gradients and running statistics are a plain call's, bit for bit."""
    result: Tensor = checkpoint(
        segment,
        x,
        use_reentrant=False,
        preserve_rng_state=False,  # nothing in there is drawn at random
        context_fn=lambda: (contextlib.nullcontext(), _statistics_kept(segment)),
    )
    return result


@contextlib.contextmanager
def _statistics_kept(segment: nn.Module) -> Iterator[None]:
    """Normalisations in the block leave their running statistics as they are: the first pass has updated them."""
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
