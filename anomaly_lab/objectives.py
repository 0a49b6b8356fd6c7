"""The objectives, in the paper's symbols: X the normal image, X̂ its corrupted copy, M the mask of the corruption
(1 where corrupted), M̄ = 1 − M, F(X̂) the network's output, λ ∈ [0, 1] the weight of the reconstruction.

All images are (B, 3, H, W) in [0, 1]; M is (B, 3, H, W) or (B, 1, H, W), which counts as the same mask in each channel.
Every norm is taken for each sample over its channels and pixels; the result is the mean over the batch. (The paper writes
the loss of one pair and leaves the batch open: a norm over the whole batch would weight samples by each other's errors.)

`norm` = "l2" is the un-squared ‖·‖₂ as printed; "squared" puts ‖·‖₂² in its place, which divided by the ‖·‖₁ of the mask
is the mean squared error of the region. A region that is empty (‖M‖₁ = 0 or ‖M̄‖₁ = 0) contributes 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

Objective = Callable[..., Tensor]


def _sum(x: Tensor) -> Tensor:
    """(B, …) → (B,): the sum over each sample, ‖x‖₁ where x ≥ 0."""
    return x.flatten(1).sum(1)


def _weighted_norm(weight: Tensor, error: Tensor, norm: str) -> Tensor:
    """‖W ⊙ E‖ / ‖W‖₁ of each sample: (B,); 0 where ‖W‖₁ = 0."""
    weight = weight.expand_as(error)
    size = _sum(weight)
    squares = _sum((weight * error).square())
    if norm == "l2":
        # √ has an infinite slope at 0: where nothing differs its gradient is set to 0 instead of NaN
        positive = squares > 0
        value = torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)
    elif norm == "squared":
        value = squares
    else:
        raise ValueError(f"norm must be 'l2' or 'squared', got {norm!r}")
    return torch.where(size > 0, value / torch.where(size > 0, size, 1.0), 0.0)


def restore(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor, lam: float = 0.5, norm: str = "l2") -> Tensor:
    """Eq. (1): λ/‖M̄‖₁ ‖M̄⊙(F(X̂)−X)‖₂ + (1−λ)/‖M‖₁ ‖M⊙(F(X̂)−X)‖₂. `output` is F(X̂); returns a scalar."""
    E = output - X
    return (lam * _weighted_norm(1 - M, E, norm) + (1 - lam) * _weighted_norm(M, E, norm)).mean()


def amplify_mask(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor, lam: float = 0.5, norm: str = "l2") -> Tensor:
    """Eq. (2): λ/‖M̄‖₁ ‖M̄⊙(F(X̂)−X)‖₂ − (1−λ)/‖M‖₁ ‖M⊙(F(X̂)−X)‖₂. `output` is F(X̂); returns a scalar."""
    E = output - X
    return (lam * _weighted_norm(1 - M, E, norm) - (1 - lam) * _weighted_norm(M, E, norm)).mean()


def amplify(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor, lam: float = 0.5, norm: str = "l2") -> Tensor:
    """Eq. (3): λ/‖M̄‖₁ ‖M̄⊙(F(X̂)−X)‖₂ − (1−λ)/‖X̂−X‖₁ ‖|X̂−X|⊙(F(X̂)−X)‖₂. `output` is F(X̂); returns a scalar."""
    E = output - X
    D = (X_hat - X).abs()
    return (lam * _weighted_norm(1 - M, E, norm) - (1 - lam) * _weighted_norm(D, E, norm)).mean()


def segment(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Section 4.4's ablation: supervised segmentation of M, the binary cross-entropy of |F(X̂)−X̂| as its probability.

    The paper gives no formula. Reading the probability off the change |F(X̂)−X̂|, averaged over channels, keeps network and
    scoring as they are: the network is told where to leave its input and where not to, and nothing of X.
    """
    p = (output - X_hat).abs().mean(1, keepdim=True).clamp(1e-6, 1 - 1e-6)  # logarithms of 0 are infinite
    target = M.amax(1, keepdim=True)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def patch_reconstruction(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Patch AE: the mean squared error (F(X̂)−X̂)² of all pixels. The target is X̂, artificial defects included: the features
    have to tell them. Our choice; of the paper the abstract is known."""
    return (output - X_hat).square().mean()


def l2(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Baseline AE_L2: the mean squared error (F(X̂)−X)² of all pixels, blind to M."""
    return (output - X).square().mean()


def ssim(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Baseline AE_SSIM: 1 − SSIM(F(X̂), X), structural similarity in 11×11 windows, blind to M. Needs 11 px a side."""
    similarity = structural_similarity_index_measure(output, X, data_range=1.0)
    assert isinstance(similarity, Tensor)  # a tuple only where the full map is asked for
    return 1 - similarity
