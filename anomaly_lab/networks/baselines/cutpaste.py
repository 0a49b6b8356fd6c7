"""CutPaste: features from telling normal patches from cut-and-pasted ones, and their density.

Li, Sohn, Yoon, Pfister, "CutPaste: self-supervised learning for anomaly detection and localization", CVPR 2021, the 3-way
variant for patches: a network learns to tell normal patches of 64 × 64 pixels, patches with a pasted rectangle and patches with
a scar, by the cross-entropy of three classes. In testing, the embedding of each patch has a score from a Gaussian density of
normal embeddings (`scoring.gaussian`).

Simplifications: a small network in place of ResNet-18; patches of an image are embedded together, by averages of one feature
map over 64 × 64 pixels, every 8 pixels (the paper: 4), and the mean of four of them stands between them.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.corruption.cutpaste import cut_paste, scar
from anomaly_lab.networks import STRIDE
from anomaly_lab.networks.sdc_autoencoder import conv_block

CELLS = 8  # a patch is 8 × 8 feature vectors of 8 × 8 pixels: 64 × 64 pixels


class CutPaste(nn.Module):
    """Embeds the 64 × 64 pixels around each 8 × 8: (B, 3, H, W) in [0, 1] → (B, C, ⌈H/8⌉, ⌈W/8⌉), C = 8 · `width`.

    `width`: filters of the first level. `drawn`: patches of a crop in a training step; each counts as all three classes.
    """

    reconstructs = False

    def __init__(self, width: int, drawn: int) -> None:
        super().__init__()
        w, self.drawn = width, drawn
        self.encoder = nn.Sequential(
            conv_block(3, w),
            nn.MaxPool2d(2, ceil_mode=True),
            conv_block(w, 2 * w),
            conv_block(2 * w, 2 * w),
            nn.MaxPool2d(2, ceil_mode=True),
            conv_block(2 * w, 4 * w),
            conv_block(4 * w, 4 * w),
            nn.MaxPool2d(2, ceil_mode=True),
            conv_block(4 * w, 8 * w),
            conv_block(8 * w, 8 * w),
        )
        self.head = nn.Sequential(nn.Linear(8 * w, 8 * w), nn.ReLU(), nn.Linear(8 * w, 3))

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """The cross-entropy of patches of X (B, 3, H, W): 0 normal, 1 pasted, 2 scarred. X̂ is not used."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        side = CELLS * STRIDE
        crops = X.permute(0, 2, 3, 1).float().cpu().numpy()
        normal = [_patch(crop, side, rng) for crop in crops for _ in range(self.drawn)]
        made = [normal, [cut_paste(patch, rng) for patch in normal], [scar(patch, rng) for patch in normal]]
        patches = torch.from_numpy(np.concatenate([np.stack(each) for each in made])).permute(0, 3, 1, 2).to(X.device)
        label = torch.arange(3, device=X.device).repeat_interleave(len(normal))
        logits = self.head(self.encoder(patches.contiguous(memory_format=torch.channels_last)).mean((2, 3)))
        return functional.cross_entropy(logits.float(), label)

    def encode(self, X: Tensor) -> Tensor:
        """X (B, 3, H, W) → one feature vector for each 8 × 8 pixels."""
        return self.encoder(X)

    def features(self, vectors: Tensor) -> Tensor:
        """The embeddings: means over the 8 × 8 vectors of a patch; borders are repeated.

        Four patches meet in the middle of each 8 × 8 pixels. Their mean stands there.
        """
        extended = functional.pad(vectors.float(), (CELLS // 2,) * 4, mode="replicate")
        return functional.avg_pool2d(functional.avg_pool2d(extended, CELLS, stride=1), 2, stride=1)

    def forward(self, X: Tensor) -> Tensor:
        return self.features(self.encode(X))


def _patch(crop: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of the crop, (side, side, 3); a smaller crop is taken whole."""
    top, left = (int(rng.integers(0, max(1, limit - side + 1))) for limit in crop.shape[:2])
    return np.ascontiguousarray(crop[top : top + side, left : left + side])
