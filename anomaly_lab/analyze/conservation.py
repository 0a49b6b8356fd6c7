"""4. Conservation: outside the corruption's mask M, F gives what it gives for the normal image."""

import itertools

import torch
from torch import Tensor

from anomaly_lab.analyze.ratios import length, ratio


def leak(Y_hat: Tensor, Y: Tensor, X_hat: Tensor, X: Tensor, M: Tensor) -> Tensor:
    """‖M̄ ⊙ (F(X̂) − F(X))‖ / ‖X̂ − X‖ of each image, (B,). 0: the corruption changes nothing outside of its mask.

    `Y` = F(X) and `Y_hat` = F(X̂): so what F does to normal pixels anyway does not count. All (B, C, h, w), M (B, 1, h, w).
    """
    return ratio(length((1 - M) * (Y_hat - Y)), length(X_hat - X))


def distance_to(M: Tensor) -> Tensor:
    """The Euclidean distance of each pixel's centre from the next one with M > 0: M (h, w) → (h, w), 0 inside.

    Infinite if M is empty. Exact: the distance along the row first, then the least √(Δy² + row²) over the column.
    """
    height, width = M.shape
    columns = torch.arange(width, device=M.device).expand(height, width)
    far = torch.full_like(columns, -3 * (height + width))
    left = torch.where(M > 0, columns, far).cummax(1).values  # the next masked column on the left
    right = -torch.where(M > 0, -columns, far).flip(1).cummax(1).values.flip(1)
    along = torch.minimum(columns - left, right - columns).double().square()
    rows = torch.arange(height, device=M.device).double()
    squared = torch.stack([((rows - y).square()[:, None] + along).amin(0) for y in range(height)])
    return torch.where(squared > height**2 + width**2, torch.inf, squared.sqrt())


def by_distance(E: Tensor, distance: Tensor, edges: list[float]) -> Tensor:
    """The root mean square of E (C, h, w) in rings edges[i] ≤ distance < edges[i + 1] around M; NaN for an empty ring."""
    squares = E.double().square().mean(0)
    rings = [squares[(distance >= low) & (distance < high)] for low, high in itertools.pairwise(edges)]
    return torch.stack([ring.mean().sqrt() for ring in rings])


def radius(E: Tensor, distance: Tensor, share: float) -> float:
    """The least distance within which `share` of the energy ‖E‖² of E (C, h, w) lies; NaN if E is 0."""
    energy, order = E.double().square().sum(0).flatten(), distance.flatten().sort().indices
    reached = energy[order].cumsum(0)
    if not reached[-1] > 0:
        return float("nan")
    place = int(torch.searchsorted(reached, share * reached[-1]).clamp(max=len(order) - 1))
    return float(distance.flatten()[order[place]])
