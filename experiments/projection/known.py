"""Maps whose projection properties are known: what the instrument of anomaly_lab/analyze/ is tried on.

Linear maps act on "images" of n values, (B, 1, 1, n). `Bumps` is a curved manifold of images with two or three parameters.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from anomaly_lab.objectives import restore

Map = Callable[[Tensor], Tensor]


def linear(matrix: Tensor) -> Map:
    """The map of images (B, 1, 1, n) by a matrix (n, n)."""
    return lambda X: X @ matrix.t().to(X.dtype)


def subspace(n: int, d: int, seed: int) -> Tensor:
    """An orthonormal basis of a random d-dimensional subspace, (n, d) float64."""
    return torch.linalg.qr(torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d))))[0]


def orthogonal(U: Tensor) -> Tensor:
    """The orthogonal projector onto the span of U (n, d)."""
    return U @ U.t()


def oblique(U: Tensor, seen: Tensor) -> Tensor:
    """The projector onto the span of U (n, d) that looks at the pixels `seen` (n) alone: idempotent, and not symmetric."""
    return U @ torch.linalg.pinv(U * seen[:, None])


class Bumps:
    """Images of one Gaussian bump, side × side: g(x, y, w) = exp(−((column − x)² + (row − y)²) / 2w²).

    Called with images (B, 1, side, side), it gives the nearest point of the manifold in the norm with `weights` (side, side):
    the orthogonal projection if they are equal, otherwise a skew one. Newton's method finds it, from a dense grid. Its last
    step is differentiable, and at the minimum the derivative of one Newton step is that of the projection itself.
    """

    def __init__(self, side: int = 16, width: float | None = None, weights: Tensor | None = None) -> None:
        self.side, self.width = side, width
        self.weights = torch.ones(side, side, dtype=torch.float64) if weights is None else weights.double()
        places = torch.linspace(0.3 * side, 0.7 * side, 15, dtype=torch.float64)
        widths = torch.linspace(0.1 * side, 0.2 * side, 7, dtype=torch.float64)
        self.grid = torch.cartesian_prod(places, places, *([] if width else [widths]))
        self.drawn = torch.func.vmap(self.image)(self.grid)

    def image(self, theta: Tensor) -> Tensor:
        """The image of parameters (x, y) or (x, y, w), (side, side)."""
        return self._with_slopes(theta)[0]

    def __call__(self, X: Tensor) -> Tensor:
        return torch.stack([self._nearest(image[0]) for image in X])[:, None]

    def _with_slopes(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """g, ∂ log g by each parameter (P, side, side), and ∂² log g by each pair of them (P, P, side, side)."""
        w, at = self.width or theta[2], torch.arange(self.side, dtype=theta.dtype)
        dx, dy = (at - theta[0]).expand(self.side, -1), (at - theta[1])[:, None].expand(-1, self.side)
        squares, zero = dx.square() + dy.square(), torch.zeros_like(dx)
        first = [dx / w**2, dy / w**2, squares / w**3]
        second = [
            [zero - 1 / w**2, zero, -2 * dx / w**3],
            [zero, zero - 1 / w**2, -2 * dy / w**3],
            [-2 * dx / w**3, -2 * dy / w**3, -3 * squares / w**4],
        ]
        P = len(theta)
        return (-squares / (2 * w**2)).exp(), torch.stack(first[:P]), torch.stack([torch.stack(row[:P]) for row in second[:P]])

    def _distance(self, theta: Tensor, X: Tensor) -> Tensor:
        return (self.weights * (self.image(theta) - X).square()).sum() / 2

    def _newton(self, theta: Tensor, X: Tensor) -> Tensor:
        """The step of Newton's method for `_distance`: its Hessian and gradient by hand."""
        g, first, second = self._with_slopes(theta)
        error = self.weights * (g - X)
        slopes = g * first
        bend = torch.einsum("phw,qhw,hw->pq", slopes, slopes, self.weights)
        bend = bend + (error * g * (first[:, None] * first[None] + second)).sum((-2, -1))
        return torch.linalg.solve(bend, (error * slopes).sum((-2, -1)))

    def _nearest(self, X: Tensor) -> Tensor:
        with torch.no_grad():
            fixed = X.detach()
            far = (self.weights * (self.drawn - fixed).square()).sum((-2, -1))
            theta = self.grid[far.argmin()]
            for _ in range(12):
                step = self._newton(theta, fixed)
                while self._distance(theta - step, fixed) > self._distance(theta, fixed) + 1e-12:
                    step = step / 2
                theta = theta - step
                if step.abs().max() < 1e-9:  # the error is its square by now
                    break
        return self.image(theta - self._newton(theta, X))


def blocks(U: Tensor, k: int, count: int, wrapping: bool, noise: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """X on the subspace (variance 1 a pixel on average), X̂ with k adjacent pixels replaced by noise, and M: each (count, n).

    A block that may not wrap around the end covers the first and the last pixels less often than those in the middle.
    """
    n, d = U.shape
    X = torch.randn(count, d, generator=rng, dtype=torch.float64) @ U.t() * (n / d) ** 0.5
    start = torch.randint(0, n if wrapping else n - k + 1, (count, 1), generator=rng)
    M = torch.zeros(count, n, dtype=torch.float64).scatter_(1, (start + torch.arange(k)) % n, 1.0)
    drawn = noise * torch.randn(count, n, generator=rng, dtype=torch.float64)
    return X, torch.where(M > 0, drawn, X), M


def least_squares(X: Tensor, X_hat: Tensor) -> Tensor:
    """The matrix F that minimises Σ ‖F X̂ − X‖²."""
    return torch.linalg.solve(X_hat.t() @ X_hat, X_hat.t() @ X).t()


def trained(X: Tensor, X_hat: Tensor, M: Tensor, passes: int) -> Tensor:
    """The matrix of a linear network that objective (1) has trained on pairs (count, n), from zero, by L-BFGS.

    λ is the share of clean pixels: with squared norms, all pixels then count the same, and `least_squares` is the optimum.
    """
    lam = float(1 - M.mean())
    weight = torch.zeros(X.shape[1], X.shape[1], dtype=X.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=passes, history_size=50, tolerance_grad=1e-12, tolerance_change=1e-15)
    images = [each[:, None, None, :] for each in (X, X_hat, M)]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = restore(linear(weight)(images[1]), *images, lam=lam, norm="squared")
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach()
