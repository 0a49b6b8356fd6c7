"""Few vectors that represent many: a random subset, a greedy coreset, or k-means. Pure functions with a seed."""

from collections.abc import Callable

import torch
from torch import Tensor

CHUNK = 2**22  # entries in a block of a distance matrix: 16 MiB
ITERATIONS = 10  # of k-means; later ones hardly move the centres
Progress = Callable[[int, int], None]


def nearest(x: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Exact nearest neighbours of x (n, C) in the bank (m, C) → distances (n,) and indices (n,).

    The search uses |x|² + |b|² − 2 x·b, one matrix product per block. Vectors are centred first: far from the origin, the sum
    would round small differences away. The distance to the nearest vector is computed from the difference.
    """
    middle = bank.mean(0)
    centred = bank - middle
    half = centred.square().sum(1) / 2
    rows = max(1, CHUNK // max(1, len(bank)))
    parts = (x,) if torch.compiler.is_exporting() else x.split(rows)  # the number of vectors is open in an export
    index = torch.cat([torch.addmm(half, part - middle, centred.T, alpha=-1).argmin(1) for part in parts])
    return (x - bank[index]).norm(dim=1), index


def random_subset(vectors: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random subset (min(size, n), C) of the vectors (n, C)."""
    return vectors[torch.randperm(len(vectors), generator=generator)[:size].to(vectors.device)]


def greedy_coreset(vectors: Tensor, size: int, generator: torch.Generator, progress: Progress | None = None) -> Tensor:
    """A random vector, then repeatedly the vector farthest from all chosen ones.

    The largest distance from a vector to its nearest chosen one is at most twice the smallest possible for this size.
    """
    size = min(size, len(vectors))
    chosen = torch.empty(size, dtype=torch.long)
    chosen[0] = int(torch.randint(len(vectors), (1,), generator=generator))
    half = vectors.square().sum(1) / 2
    least = torch.full_like(half, torch.inf)  # |x − b|² / 2 to the nearest chosen vector b
    for i in range(1, size):
        last = int(chosen[i - 1])
        torch.minimum(least, half + half[last] - vectors @ vectors[last], out=least)
        least[last] = -torch.inf  # never chosen again, even if all others are copies
        chosen[i] = int(least.argmax())
        if progress is not None and i % 100 == 0:
            progress(i, size)
    return vectors[chosen.to(vectors.device)]


def k_means(vectors: Tensor, size: int, generator: torch.Generator, progress: Progress | None = None) -> Tensor:
    """The centres after `ITERATIONS` rounds of Lloyd's algorithm from a random subset. A centre without vectors stays."""
    centres = random_subset(vectors, size, generator).clone()
    for i in range(ITERATIONS):
        _, index = nearest(vectors, centres)
        counts = torch.bincount(index, minlength=len(centres)).to(vectors.dtype)
        sums = torch.zeros_like(centres).index_add_(0, index, vectors)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        if progress is not None:
            progress(i + 1, ITERATIONS)
    return centres
