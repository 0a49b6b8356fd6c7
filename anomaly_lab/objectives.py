"""The objectives, in the paper's symbols.

X is the normal image, X̂ its corrupted copy, M the mask of the corruption (1 where corrupted), M̄ = 1 − M, F(X̂) the network's
output, and λ ∈ [0, 1] the weight of the normal region. All images are (B, 3, H, W) in [0, 1]. M is (B, 3, H, W), or one mask
for all channels, (B, 1, H, W).

Each norm is computed per sample, over channels and pixels; an objective returns the mean over the batch, a scalar. (The paper
gives the loss of one pair only. A norm over the whole batch would weight samples by each other's errors.)

`norm` = "l2" is ‖·‖₂ as printed. "squared" replaces it by ‖·‖₂², which divided by the ‖·‖₁ of the mask is the mean squared
error of the region. An empty region (‖M‖₁ = 0 or ‖M̄‖₁ = 0) contributes 0. ValueError for any other `norm`.
"""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

NORMS = ("l2", "squared")
FLAT = 1e-3  # standard deviation below which an image counts as flat


def _weighted_norm(weight: Tensor, error: Tensor, norm: str) -> Tensor:
    """‖W ⊙ E‖ / ‖W‖₁ of each sample, (B,); 0 where ‖W‖₁ = 0."""
    weight = weight.expand_as(error)
    size = weight.flatten(1).sum(1)
    value = (weight * error).square().flatten(1).sum(1)
    if norm == "l2":  # the slope of √ is infinite at 0: without an error, the gradient is set to 0; it would be NaN
        value = torch.where(value > 0, torch.where(value > 0, value, 1.0).sqrt(), 0.0)
    elif norm not in NORMS:
        raise ValueError(f"objective.norm is {norm}: it must be one of {', '.join(NORMS)}")
    return torch.where(size > 0, value / torch.where(size > 0, size, 1.0), 0.0)


def restore(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor, lam: float, norm: str) -> Tensor:
    """Eq. (1): λ/‖M̄‖₁ ‖M̄⊙(F(X̂)−X)‖₂ + (1−λ)/‖M‖₁ ‖M⊙(F(X̂)−X)‖₂. `output` is F(X̂)."""
    E = output - X
    return (lam * _weighted_norm(1 - M, E, norm) + (1 - lam) * _weighted_norm(M, E, norm)).mean()


def amplify_mask(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor, lam: float, norm: str) -> Tensor:
    """Eq. (2): λ/‖M̄‖₁ ‖M̄⊙(F(X̂)−X)‖₂ − (1−λ)/‖M‖₁ ‖M⊙(F(X̂)−X)‖₂. `output` is F(X̂)."""
    E = output - X
    return (lam * _weighted_norm(1 - M, E, norm) - (1 - lam) * _weighted_norm(M, E, norm)).mean()


def amplify(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor, lam: float, norm: str) -> Tensor:
    """Eq. (3): λ/‖M̄‖₁ ‖M̄⊙(F(X̂)−X)‖₂ − (1−λ)/‖X̂−X‖₁ ‖|X̂−X|⊙(F(X̂)−X)‖₂. `output` is F(X̂)."""
    E = output - X
    return (lam * _weighted_norm(1 - M, E, norm) - (1 - lam) * _weighted_norm((X_hat - X).abs(), E, norm)).mean()


def uncorrelated(output: Tensor, X: Tensor, least: float) -> Tensor:
    """Ours: Var(X) · max(0, 1 − ρ/ρ₀), with ρ the correlation of F(X̂) and X over the pixels of an image, and ρ₀ = `least` > 0.

    Each channel's mean is taken off first. ρ does not depend on the contrast of F(X̂), so F gains nothing by fading to a flat
    grey. There the gradients of all layers but the last vanish, and a training may stay. From ρ = ρ₀ on the term is 0.
    """
    F, X = (image - image.mean((2, 3), keepdim=True) for image in (output, X))
    covariance, variance = ((image * X).mean((1, 2, 3)) for image in (F, X))
    spread = F.square().mean((1, 2, 3)).clamp_min(FLAT**2).sqrt() * variance.clamp_min(FLAT**2).sqrt()
    return (variance * (1 - covariance / spread / least).clamp_min(0)).mean()


def segment(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Ablation of section 4.4: supervised segmentation of M. The binary cross-entropy between |F(X̂)−X̂| and M.

    The paper gives no formula. We take the change |F(X̂)−X̂|, averaged over channels, as the probability of a corruption: so
    the network and the scoring stay the same. The network learns where to change its input, and learns nothing about X. The
    change can't reach 1: on a grey of .5 it is at most .5, and with `model.standardize` less where contrast is low.
    `networks.baselines.segmentation` (model=segment) has an output of its own.
    """
    p = (output - X_hat).abs().mean(1, keepdim=True).clamp(1e-6, 1 - 1e-6)  # the logarithm of 0 is infinite
    target = M.amax(1, keepdim=True)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def patch_reconstruction(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Patch AE: the mean squared error (F(X̂)−X̂)² of all pixels, artificial defects included: the features must represent them.

    This loss is our choice, because only the paper's abstract is known.
    """
    return (output - X_hat).square().mean()


def l2(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Baseline AE_L2: the mean squared error (F(X̂)−X)² of all pixels. It ignores M."""
    return (output - X).square().mean()


def ssim(output: Tensor, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
    """Baseline AE_SSIM: 1 − SSIM(F(X̂), X) in windows of 11×11 pixels, the least size of an image. It ignores M."""
    similarity = structural_similarity_index_measure(output, X, data_range=1.0)
    assert isinstance(similarity, Tensor)  # it would be a tuple if the full map were requested
    return 1 - similarity
