"""FAIR: restore an image from its high frequencies.

Liu, Li, Wang, Zhang, "FAIR: Frequency-aware image restoration for industrial visual anomaly detection", 2023. A U-Net sees only
what a Butterworth high-pass filter of order n leaves of the grey image, and restores the whole image. So it can't copy its
input, skip connections or not:

    F(X) = U(H ∗ X),   Ĥ(f) = 1 / (1 + (d/|f|)^{2n}),   loss = ‖F(X̂) − X‖² + 1 − SSIM(F(X̂), X)

with X̂ a copy of X with NSA's anomalies. The map is the unlikeness of gradients, MSGMS of X and F(X).

Simplifications: a smaller U-Net; X̂ has NSA's patches in all crops (the paper mixes three corruptions and normal images); the
small colour term of the map is left out; the image is mirrored before the filter, so that its opposite borders do not meet.
"""

import torch
from torch import Tensor, nn

from anomaly_lab.networks import similarity
from anomaly_lab.networks.baselines.nsa import corrupted
from anomaly_lab.networks.baselines.unet import UNet


def high_pass(X: Tensor, cutoff: float, order: int) -> Tensor:
    """Butterworth's high-pass filter of the grey image: (B, 3, H, W) → (B, 1, H, W) float32, mean 0.

    `cutoff`: d, in cycles per pixel. `order`: n.
    """
    grey = X.float().mean(1, keepdim=True)
    height, width = grey.shape[-2:]
    grey = torch.cat([grey, grey.flip(-1)], -1)
    grey = torch.cat([grey, grey.flip(-2)], -2)
    rows, columns = torch.fft.fftfreq(2 * height, device=X.device), torch.fft.rfftfreq(2 * width, device=X.device)
    f2 = rows[:, None].square() + columns.square()
    gain = f2**order / (f2**order + cutoff ** (2 * order))
    return torch.fft.irfft2(torch.fft.rfft2(grey) * gain, s=grey.shape[-2:])[..., :height, :width].contiguous()


class FAIR(nn.Module):
    """F: (B, 3, H, W) in [0, 1] → the same, from the image's high frequencies.

    `width`: filters of the U-Net's first level. `cutoff`, `order`: of the filter, see `high_pass`; ValueError unless above 0.
    """

    def __init__(self, width: int, cutoff: float, order: int) -> None:
        super().__init__()
        if not (cutoff > 0 and order >= 1):
            raise ValueError(f"model.cutoff and order are {cutoff} and {order}: they must be above 0")
        self.network, self.cutoff, self.order = UNet(1, 3, width), cutoff, order
        self.gain = 1 / 0.14  # of the filtered image: a typical texture's spread after the stretch of the contrast becomes 1

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """‖F(X̂) − X‖² + 1 − SSIM(F(X̂), X), where X̂ is X with NSA's patches."""
        output = self(corrupted(X)[0])
        return (output - X).square().mean() + 1 - similarity.ssim(output, X).mean()

    def forward(self, X: Tensor) -> Tensor:
        return torch.sigmoid(self.network(self.gain * high_pass(X, self.cutoff, self.order)))
