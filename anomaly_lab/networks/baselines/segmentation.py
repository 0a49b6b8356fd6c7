"""Direct segmentation of the corruption: the ablation of section 4.4.

Of a segmentation loss on the artificial anomalies, the paper says: "It begins to overfit on used distortion patterns already
after a few training epochs. For example, it quickly learns to localise the elastic distortions but completely fails to
recognise real anomalies from the test set." It gives no formula. Here the paper's network ends in one logit a pixel, and the
loss is its binary cross-entropy with M. The network sees its crops standardised, as F does.
"""

from torch import Tensor
from torch.nn import functional

from anomaly_lab.networks.sdc_autoencoder import Pointwise, SDCAutoencoder, light, pad_to_stride


class Segmentation(SDCAutoencoder):
    """X (B, 3, H, W) in [0, 1] → logits of a corruption (B, 1, H, W), float32.

    `width`, `standardize`: as in `SDCAutoencoder`.
    """

    reconstructs = False
    evidence = "probability"

    def __init__(self, width: float, standardize: bool) -> None:
        super().__init__(width, False, standardize)
        self.last = Pointwise(self.last.in_channels, 1)

    def loss(self, X: Tensor, X_hat: Tensor, M: Tensor) -> Tensor:
        """The binary cross-entropy of X̂'s logits with M."""
        return functional.binary_cross_entropy_with_logits(self(X_hat), M.amax(1, keepdim=True).float())

    def examine(self, X: Tensor) -> tuple[None, Tensor]:
        """X (B, 3, h, w) → no reconstruction, and the probability of a corruption (B, h, w)."""
        return None, self(X)[:, 0].sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.standardize:
            mean, scale = light(x)
            x = 0.5 + (x - mean) / scale
        return self.logits(pad_to_stride(x))[..., :height, :width]
