"""NSA: a network that marks natural synthetic anomalies, patches of other images blended without edges.

Schlüter, Tan, Hou, Kainz, "Natural synthetic anomalies for self-supervised anomaly detection and localization", ECCV 2022:
`corruption.nsa` makes the images and their labels in [0, 1]. The loss is the binary cross-entropy with the label, the map the
network's probability.

Simplifications: a U-Net in place of the ResNet-18 encoder and decoder; the other images are the batch's other crops; the image
score is the lab's pooling, the highest value of the smoothed map (the paper: the mean).
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from anomaly_lab.corruption.nsa import blended, label
from anomaly_lab.networks.baselines.unet import UNet


def corrupted(X: Tensor) -> tuple[Tensor, Tensor]:
    """X (B, 3, H, W) in [0, 1] with patches of the batch's other crops, and the labels (B, H, W) in [0, 1].

    All draws follow from torch's generator. A single crop gets patches of itself.
    """
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    crops = [np.ascontiguousarray(crop) for crop in X.permute(0, 2, 3, 1).float().cpu().numpy()]
    made = [blended(crop, [c for c in crops if c is not crop] or [crop], rng) for crop in crops]
    labels = np.stack([label(crop, Y) for crop, Y in zip(crops, made, strict=True)])
    Y = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).to(X.device)
    return Y.contiguous(memory_format=torch.channels_last), torch.from_numpy(labels).to(X.device)


class NSA(nn.Module):
    """X (B, 3, H, W) in [0, 1] → logits of a defect (B, 1, H, W). `width`: filters of the U-Net's first level."""

    reconstructs = False
    evidence = "probability"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = UNet(3, 1, width)

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """The binary cross-entropy with the labels of blended patches. X̂ is not used."""
        Y, target = corrupted(X)
        return functional.binary_cross_entropy_with_logits(self(Y)[:, 0].float(), target)

    def examine(self, X: Tensor) -> tuple[None, Tensor]:
        """X (B, 3, h, w) → no reconstruction, and the probability of a defect (B, h, w)."""
        return None, self(X)[:, 0].float().sigmoid()

    def forward(self, X: Tensor) -> Tensor:
        return self.network(X)
