"""RIAD: reconstruct an image from parts of it, each of which hides a third of its squares.

Zavrtanik, Kristan, Skočaj, "Reconstruction by inpainting for visual anomaly detection", Pattern Recognition 2021. The squares
of a k × k grid are divided at random into n disjoint sets S_i. A U-Net sees X without S_i; its outputs inside the S_i make up
F_k(X):

    F_k(X) = Σᵢ M_{Sᵢ} ⊙ U((1 − M_{Sᵢ}) ⊙ X),   loss = ‖F_k(X) − X‖² + λ_G MSGMS(F_k(X), X) + λ_S (1 − SSIM)(F_k(X), X)

The map is the mean over k of the multi-scale unlikeness of gradients, MSGMS(F_k(X), X). No pixel can be copied, skip
connections or not.

Simplifications: a smaller U-Net; one k a step in training; a Gaussian smooths the map, as for all methods here, in place of a
mean filter of 21 px. F(X) is the mean of the F_k(X).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anomaly_lab.networks import similarity
from anomaly_lab.networks.baselines.unet import UNet

SEED = 0  # of the sets in testing: one image has always the same map


def disjoint_masks(size: tuple[int, int], k: int, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n masks (n, 1, H, W), 1 where hidden, of squares of k × k pixels: each square is in one mask, each mask has as many."""
    rows, columns = (-(-side // k) for side in size)
    order = torch.randperm(rows * columns, generator=generator) % n
    owner = order.view(rows, columns).repeat_interleave(k, 0).repeat_interleave(k, 1)[: size[0], : size[1]]
    return torch.stack([(owner == i).float() for i in range(n)])[:, None]


class RIAD(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same, by inpainting.

    - `width`: filters of the U-Net's first level. - `squares`: sides k of the squares in pixels. - `sets`: n, at least 2.
    - `lam_gms`, `lam_ssim`: λ_G and λ_S above.

    ValueError for fewer sets, or squares that are no positive whole numbers.
    """

    evidence = "inpainting"

    def __init__(self, width: int, squares: Sequence[int], sets: int, lam_gms: float, lam_ssim: float) -> None:
        super().__init__()
        if sets < 2 or not squares or any(not isinstance(k, int) or k < 1 for k in squares):
            raise ValueError(f"model.squares and sets are {squares} and {sets}: give sides in pixels, and at least 2 sets")
        self.network = UNet(3, 3, width)
        self.squares, self.sets, self.lam_gms, self.lam_ssim = list(squares), sets, lam_gms, lam_ssim

    def inpainted(self, X: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
        """F_k(X), (B, 3, H, W) in [0, 1]."""
        height, width = X.shape[-2:]
        masks = disjoint_masks((height, width), k, self.sets, generator).to(X.device)
        hidden = ((1 - masks)[:, None] * X[None]).flatten(0, 1)  # (n·B, 3, H, W)
        outputs = torch.sigmoid(self.network(hidden)).unflatten(0, (self.sets, X.shape[0]))
        return (masks[:, None] * outputs).sum(0)

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """The loss above, of one k. No corruption is used."""
        k = self.squares[int(torch.randint(len(self.squares), ()))]
        output = self.inpainted(X, k)
        unlike = self.lam_gms * similarity.msgms(X, output).mean() + self.lam_ssim * (1 - similarity.ssim(X, output).mean())
        return (output - X).square().mean() + unlike

    def examine(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """X (B, 3, h, w) → F(X), and the mean MSGMS over k, (B, h, w) in [0, 1)."""
        generator = torch.Generator().manual_seed(SEED)
        outputs = [self.inpainted(X, k, generator) for k in self.squares]
        maps = [similarity.msgms(X, output) for output in outputs]
        return torch.stack(outputs).mean(0), torch.stack(maps).mean(0)

    def forward(self, X: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(SEED)
        return torch.stack([self.inpainted(X, k, generator) for k in self.squares]).mean(0)
