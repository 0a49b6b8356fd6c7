"""The Jacobian J of F at an image, as products: it has a row for each value of the image, so it is never formed."""

from collections.abc import Callable

import torch
from torch import Tensor


class Jacobian:
    """J = ∂F/∂X at X (B, C, h, w). F must be differentiable and treat each image alone; then each has a J of its own.

    `value` is F(X). The graph of F is kept as long as the object lives.
    """

    def __init__(self, F: Callable[[Tensor], Tensor], X: Tensor) -> None:
        self.F, self.X = F, X
        self.value, self._pull = torch.func.vjp(F, X)  # type: ignore[misc]  # three with has_aux only

    def times(self, v: Tensor) -> Tensor:
        """J v, by forward differentiation. v and the result: as X."""
        return torch.func.jvp(self.F, (self.X,), (v,))[1].detach()

    def transposed(self, u: Tensor) -> Tensor:
        """Jᵀ u, by reverse differentiation."""
        return self._pull(u)[0].detach()  # type: ignore[no-any-return]


def signs(like: Tensor, rng: torch.Generator) -> Tensor:
    """A random vector of ±1 with the shape of `like`: for a matrix A, ‖Av‖² is ‖A‖_F² and ⟨v, Av⟩ is tr A, on average."""
    drawn = torch.randint(0, 2, like.shape, generator=rng)
    return (2 * drawn - 1).to(like)
